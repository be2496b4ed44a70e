//! What is asked about, as policies know it.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use uuid::Uuid;
use virt_rpc::protocol::Object;
use virt_rpc::protocol::decisions::Target;

use crate::Guest;

/// Seeded anew in each process: guests' names are chosen by their authors.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
static DRIVER: LazyLock<Arc<AccessObject>> =
    LazyLock::new(|| AccessObject::new(target(Object::Connect, Vec::new())));

/// Something that decisions are about, with its hash: decisions are looked up by it far more often than
/// it changes.
#[derive(Debug, PartialEq, Eq)]
pub struct AccessObject {
    hash: u64,
    target: Target,
}

impl AccessObject {
    fn new(target: Target) -> Arc<Self> {
        let hash = HASHER.hash_one(&target);
        Arc::new(Self { hash, target })
    }

    /// A guest, as its entry says now.
    pub fn of_guest(guest: &(impl Guest + ?Sized)) -> Arc<Self> {
        Self::named(guest, &guest.name())
    }

    /// A guest under a name that it had before.
    pub(crate) fn named(guest: &(impl Guest + ?Sized), name: &str) -> Arc<Self> {
        let owners = guest.owners();
        Self::new(Target {
            owner_users: owners.users,
            owner_groups: owners.groups,
            ..domain(name, Some(guest.uuid()))
        })
    }

    /// A guest that may not exist yet, and then has no UUID before one is chosen, and no owners.
    pub(crate) fn new_guest(name: &str, uuid: Option<Uuid>) -> Arc<Self> {
        Self::new(domain(name, uuid))
    }

    /// The driver as a whole.
    pub(crate) fn driver() -> Arc<Self> {
        Arc::clone(&DRIVER)
    }

    /// As it is told to who decides.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

impl Hash for AccessObject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

fn domain(name: &str, uuid: Option<Uuid>) -> Target {
    let mut details = vec![("domain_name".to_owned(), name.to_owned())];
    details.extend(uuid.map(|uuid| ("domain_uuid".to_owned(), uuid.to_string())));
    target(Object::Domain, details)
}

fn target(object: Object, details: Vec<(String, String)>) -> Target {
    Target {
        object,
        details,
        owner_users: Vec::new(),
        owner_groups: Vec::new(),
    }
}
