//! One at a time for each resource: while its file is being locked or unlocked elsewhere, whoever
//! wants the resource waits.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::lockspaces::Name;

/// The resources whose files are under way, with those who wait.
#[derive(Debug, Default)]
pub struct Turns(HashMap<Name, Vec<oneshot::Sender<()>>>);

/// Ends when the turn of the one before does.
pub type Wait = oneshot::Receiver<()>;

impl Turns {
    /// What to wait for before the resource may be looked at again; nothing when it may be now.
    pub fn wait(&mut self, name: &Name) -> Option<Wait> {
        // Mostly there is nothing, and a name is long.
        if self.0.is_empty() {
            return None;
        }
        let waiting = self.0.get_mut(name)?;
        let (sender, receiver) = oneshot::channel();
        waiting.push(sender);
        Some(receiver)
    }

    /// Someone has the resource's file under way.
    pub fn begin(&mut self, name: Name) {
        self.0.entry(name).or_default();
    }

    /// No more. Those who wait look again.
    pub fn end(&mut self, name: &Name) {
        // Dropping the senders wakes them.
        self.0.remove(name);
    }

    /// The resources that are under way.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.0.keys()
    }
}
