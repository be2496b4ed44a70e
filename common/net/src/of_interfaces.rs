//! What interfaces have on the host that does not go by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::End;

/// What interfaces have on the host: it goes with them where they go before the guest does.
#[derive(Debug, Default)]
pub struct OfInterfaces {
    /// Ports of networks, by network.
    pub ports: List<(String, Uuid)>,
    /// Links with packet filters.
    pub filters: List<String>,
    /// Links that don't go by themselves.
    pub ends: List<End>,
}

/// What is to be undone, once.
#[derive(Debug)]
pub struct List<T>(Arc<Mutex<Vec<T>>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: PartialEq> List<T> {
    /// Adds what was made.
    pub fn add(&self, made: impl IntoIterator<Item = T>) {
        self.lock().extend(made);
    }

    /// All of it, to be undone now.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.lock())
    }

    /// These are undone elsewhere.
    pub fn remove(&self, gone: &[T]) {
        self.lock().retain(|one| !gone.contains(one));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        // The list is whole between any two statements that hold the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfInterfaces {
    /// What another has is this one's from now on.
    pub fn adopt(&self, other: &Self) {
        self.ports.add(other.ports.take());
        self.filters.add(other.filters.take());
        self.ends.add(other.ends.take());
    }

    /// What is the other's, too, is the other's alone from now on.
    pub fn leave_to(&self, other: &Self) {
        self.ports.remove(&other.ports.lock());
        self.filters.remove(&other.filters.lock());
        self.ends.remove(&other.ends.lock());
    }
}
