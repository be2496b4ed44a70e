//! What interfaces have on the host that does not go by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;
use virt_domain::Domain;
use virt_driver::secondary::Neighbours;
use virt_error::ErrorDomain;

use crate::end::{End, ends_of_pairs};
use crate::{filters, network_ports};

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
    /// What the interfaces of a container have, as its description says.
    pub fn of_container(domain: &Domain) -> Self {
        let all = Self::default();
        all.ports.add(network_ports::of(domain));
        all.filters.add(filters::links(domain));
        all.ends.add(ends_of_pairs(domain, ErrorDomain::Lxc));
        all
    }

    /// Undoes all of it; what can't be undone is told in the log. Blocks.
    pub fn undo(&self, neighbours: &Neighbours, guest: &str) {
        filters::untie(neighbours, guest, &self.filters.take());
        self.ends.take().into_iter().for_each(End::undo);
        network_ports::give_back(neighbours, guest, &self.ports.take());
    }

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
