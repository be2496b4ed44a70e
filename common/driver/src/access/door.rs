//! Who gets in: polkit is asked through virtacld whether someone may connect, and the driver's access
//! drivers whether they may open it.

use std::future::ready;
use std::sync::Arc;

use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::decisions::Purpose;
use virt_rpc::protocol::remote::ConnectOpen;
use virt_rpc::server::{Asking, Client, Doorkeeper, Opening, ROUNDS_MAX};

use super::{AccessObject, Asked, Decider, Permissions, subject};

/// A driver's doorkeeper.
#[derive(Debug)]
pub struct Door(Arc<Decider>);

impl Door {
    /// One that asks `decider`.
    pub fn new(decider: Arc<Decider>) -> Self {
        Self(decider)
    }
}

impl Doorkeeper for Door {
    fn authenticate(&self, client: &Client) -> Asking {
        let decider = Arc::clone(&self.0);
        let (who, readonly) = (subject(&client.identity()), client.is_readonly());
        Box::pin(decider.authenticate(who, readonly))
    }

    fn admit(&self, client: &Client, opening: &Opening<'_>) -> Option<Asking> {
        if !self.0.decides() {
            return None;
        }
        let asked = Asked {
            subject: subject(&client.identity()),
            readonly: opening.readonly,
            permissions: Permissions::of(ConnectOpen::ROW.acl.iter()),
            object: AccessObject::driver(),
        };
        let decider = Arc::clone(&self.0);
        if let Some(verdict) = decider.known_for_call(&asked) {
            return Some(Box::pin(ready(decider.outcome(Some(verdict)))));
        }
        Some(Box::pin(async move {
            let mut verdict = None;
            // As often as for a call: a polkitd that is started again while it is asked changes the policy two or three times.
            for _ in 0..ROUNDS_MAX {
                Arc::clone(&decider)
                    .ask(ConnectOpen::ROW.name, Purpose::Call, vec![asked.clone()])
                    .await;
                verdict = decider.known_for_call(&asked);
                if verdict.is_some() {
                    break;
                }
            }
            decider.outcome(verdict)
        }))
    }
}
