//! Who has which of a guest's terminals open: one client each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The terminals and channels that clients have open, by path.
#[derive(Debug, Default)]
pub struct Consoles(Arc<Mutex<HashMap<String, Arc<Notify>>>>);

/// One that is open; given back when dropped.
#[derive(Debug)]
pub struct Console {
    all: Arc<Mutex<HashMap<String, Arc<Notify>>>>,
    path: String,
    taken: Arc<Notify>,
}

impl Consoles {
    /// Takes a terminal; `None` when another client has it and `force` does not take it away.
    pub fn claim(&self, path: &str, force: bool) -> Option<Console> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = all.get(path) {
            if !force {
                return None;
            }
            other.notify_one();
        }
        let taken = Arc::new(Notify::new());
        all.insert(path.to_owned(), Arc::clone(&taken));
        Some(Console {
            all: Arc::clone(&self.0),
            path: path.to_owned(),
            taken,
        })
    }
}

impl Console {
    /// Resolves when another client took it away.
    pub async fn taken(&self) {
        self.taken.notified().await;
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // Who took it away has it now.
        if all
            .get(&self.path)
            .is_some_and(|own| Arc::ptr_eq(own, &self.taken))
        {
            all.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_terminal_has_one_client_at_a_time() {
        let consoles = Consoles::default();
        let first = consoles.claim("/dev/pts/1", false).unwrap();
        assert!(consoles.claim("/dev/pts/1", false).is_none());
        assert!(consoles.claim("/dev/pts/2", false).is_some());
        let second = consoles.claim("/dev/pts/1", true).unwrap();
        first.taken().await;
        drop(first);
        assert!(consoles.claim("/dev/pts/1", false).is_none());
        drop(second);
        assert!(consoles.claim("/dev/pts/1", false).is_some());
    }
}
