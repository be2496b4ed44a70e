//! Who is told of changes of the policy and of decisions.

use std::sync::{Mutex, MutexGuard, PoisonError};

use virt_rpc::codec::Internal;
use virt_rpc::protocol::decisions::{
    Decided, DecidedEvent, DecidedEventMsg, PolicyChanged, PolicyChangedMsg,
};
use virt_rpc::server::Client;

/// Clients that listen.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<Listening>);

#[derive(Debug, Default)]
struct Listening {
    watching: Vec<Client>,
    tracing: Vec<Client>,
}

impl Listeners {
    /// From now on the client is told of changes.
    pub fn watch(&self, client: &Client) {
        add(&mut self.listening().watching, client);
    }

    /// From now on the client is shown decisions.
    pub fn trace(&self, client: &Client) {
        add(&mut self.listening().tracing, client);
    }

    /// The client is gone.
    pub fn left(&self, id: u64) {
        let mut listening = self.listening();
        listening.watching.retain(|client| client.id() != id);
        listening.tracing.retain(|client| client.id() != id);
    }

    /// The policy with that number is in force.
    pub fn changed(&self, generation: u64) {
        for client in &self.listening().watching {
            client.event::<PolicyChanged>(&PolicyChangedMsg { generation });
        }
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(clients: &mut Vec<Client>, client: &Client) {
    if !clients.iter().any(|known| known.id() == client.id()) {
        clients.push(client.clone());
    }
}
