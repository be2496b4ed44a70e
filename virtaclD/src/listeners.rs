//! Who is told of changes of the policy and of decisions.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use virt_rpc::codec::Internal;
use virt_rpc::protocol::decisions::{
    Decided, DecidedEvent, DecidedEventMsg, PolicyChanged, PolicyChangedMsg,
};
use virt_rpc::server::Client;

/// Clients that listen.
#[derive(Debug, Default)]
pub struct Listeners {
    listening: Mutex<Listening>,
    /// A client has acknowledged a policy, or is gone.
    heard: Notify,
}

#[derive(Debug, Default)]
struct Listening {
    watching: Vec<Watching>,
    tracing: Vec<Client>,
}

/// A client that is told of changes.
#[derive(Debug)]
struct Watching {
    client: Client,
    /// It uses no decision of a policy with a lower number.
    acknowledged: u64,
}

impl Listeners {
    /// From now on the client is told of changes; it knows the policy that `now` gives.
    pub fn watch(&self, client: &Client, now: impl FnOnce() -> u64) -> u64 {
        let mut listening = self.listening();
        // While nobody is told: a change in between would be missed.
        let acknowledged = now();
        let mut watching = listening.watching.iter_mut();
        match watching.find(|known| known.client.id() == client.id()) {
            Some(known) => known.acknowledged = known.acknowledged.max(acknowledged),
            None => listening.watching.push(Watching {
                client: client.clone(),
                acknowledged,
            }),
        }
        acknowledged
    }

    /// The client uses no decision of a policy with a lower number any more.
    pub fn acknowledged(&self, id: u64, generation: u64) {
        let mut listening = self.listening();
        let mut watching = listening.watching.iter_mut();
        if let Some(known) = watching.find(|known| known.client.id() == id) {
            known.acknowledged = known.acknowledged.max(generation);
        }
        self.heard.notify_waiters();
    }

    /// From now on the client is shown decisions.
    pub fn trace(&self, client: &Client) {
        let tracing = &mut self.listening().tracing;
        if !tracing.iter().any(|known| known.id() == client.id()) {
            tracing.push(client.clone());
        }
    }

    /// The client is gone.
    pub fn left(&self, id: u64) {
        let mut listening = self.listening();
        listening.watching.retain(|known| known.client.id() != id);
        listening.tracing.retain(|client| client.id() != id);
        self.heard.notify_waiters();
    }

    /// The policy with that number is in force.
    pub fn changed(&self, generation: u64) {
        for Watching { client, .. } in &self.listening().watching {
            client.event::<PolicyChanged>(&PolicyChangedMsg { generation });
        }
    }

    /// Waits until all who watch have acknowledged that policy, or a later one, or are gone; at most
    /// `patience`. Those who have not, then.
    pub async fn confirmed(&self, generation: u64, patience: Duration) -> Vec<Client> {
        let all = async {
            loop {
                let heard = self.heard.notified();
                tokio::pin!(heard);
                heard.as_mut().enable();
                if self.behind(generation).is_empty() {
                    return;
                }
                heard.await;
            }
        };
        match tokio::time::timeout(patience, all).await {
            Ok(()) => Vec::new(),
            Err(_) => self.behind(generation),
        }
    }

    fn behind(&self, generation: u64) -> Vec<Client> {
        let listening = self.listening();
        let behind = listening.watching.iter();
        let behind = behind.filter(|known| known.acknowledged < generation);
        behind.map(|known| known.client.clone()).collect()
    }

    /// Shows a decision, which is put into words only when someone wants to see it.
    pub fn decided(&self, words: impl FnOnce() -> Decided) {
        let listening = self.listening();
        if listening.tracing.is_empty() {
            return;
        }
        let decided = Internal(words());
        let message = DecidedEventMsg { decided };
        for client in &listening.tracing {
            client.event::<DecidedEvent>(&message);
        }
    }

    fn listening(&self) -> MutexGuard<'_, Listening> {
        // Lists that were being changed are still lists.
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
