//! All guests of a driver: by UUID, by name and by number.
//!
//! One lock around three maps, held for a look-up or a change of the maps and never across a
//! wait. A name is reserved before anything about a new guest is written, so that two clients
//! that define the same name at the same time don't both succeed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use virt_error::{Error, ErrorCode, ErrorDomain};

use crate::Guest;

/// All guests of a driver.
#[derive(Debug)]
pub struct Registry<G> {
    maps: Mutex<Maps<G>>,
    last_id: AtomicI32,
}

#[derive(Debug)]
struct Maps<G> {
    by_uuid: HashMap<Uuid, Arc<G>>,
    /// In order, so that lists are stable.
    by_name: BTreeMap<Arc<str>, Arc<G>>,
    by_id: HashMap<i32, Arc<G>>,
    reserved_names: HashSet<Arc<str>>,
    reserved_uuids: HashSet<Uuid>,
}

/// Why a guest can't have the name or UUID it asks for.
#[derive(Debug)]
pub enum Taken<G> {
    /// Another guest has the name; its UUID differs.
    Name(Arc<G>),
    /// The guest of that UUID has another name.
    Uuid(Arc<G>),
    /// Someone else is about to make a guest of that name or UUID.
    Reserved,
}

impl<G: Guest> Taken<G> {
    /// The refusal of a guest that asks for `name` and `uuid`, as the stock daemon says it
    /// (tests/transcripts/define.txt): OPERATION_FAILED of the driver's `domain`.
    pub fn refusal(&self, name: &str, uuid: Uuid, domain: ErrorDomain) -> Error {
        let what = match self {
            Self::Name(other) => {
                format!("domain '{name}' already exists with uuid {}", other.uuid())
            }
            Self::Uuid(other) => {
                format!(
                    "domain '{}' is already defined with uuid {uuid}",
                    other.name()
                )
            }
            Self::Reserved => {
                format!("domain '{name}' with uuid {uuid} is being made by another call")
            }
        };
        Error::new(ErrorCode::OperationFailed, domain, what)
    }
}

/// A name and UUID kept for a guest that is about to be; given back when dropped.
#[derive(Debug)]
pub struct Reservation<G: Guest> {
    registry: Arc<Registry<G>>,
    name: Arc<str>,
    uuid: Option<Uuid>,
    used: bool,
}

impl<G> Default for Registry<G> {
    fn default() -> Self {
        Self {
            maps: Mutex::new(Maps {
                by_uuid: HashMap::new(),
                by_name: BTreeMap::new(),
                by_id: HashMap::new(),
                reserved_names: HashSet::new(),
                reserved_uuids: HashSet::new(),
            }),
            last_id: AtomicI32::new(0),
        }
    }
}

impl<G: Guest> Registry<G> {
    /// No guest yet; numbers start at 1.
    pub fn new() -> Self {
        Self::default()
    }

    fn maps(&self) -> MutexGuard<'_, Maps<G>> {
        // The maps are changed by insertions and removals alone: a panic leaves them usable.
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guest of that UUID.
    pub fn by_uuid(&self, uuid: &Uuid) -> Option<Arc<G>> {
        self.maps().by_uuid.get(uuid).cloned()
    }

    /// The guest of that name.
    pub fn by_name(&self, name: &str) -> Option<Arc<G>> {
        self.maps().by_name.get(name).cloned()
    }

    /// The active guest of that number.
    pub fn by_id(&self, id: i32) -> Option<Arc<G>> {
        self.maps().by_id.get(&id).cloned()
    }

    /// All guests in the order of their names.
    pub fn all(&self) -> Vec<Arc<G>> {
        self.maps().by_name.values().cloned().collect()
    }

    /// The active guests in the order of their names.
    pub fn active(&self) -> Vec<Arc<G>> {
        let mut active: Vec<Arc<G>> = self.maps().by_id.values().cloned().collect();
        active.sort_by_key(|guest| guest.name());
        active
    }

    /// How many guests there are.
    pub fn len(&self) -> usize {
        self.maps().by_uuid.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many are active.
    pub fn active_len(&self) -> usize {
        self.maps().by_id.len()
    }

    /// Keeps `name` and `uuid` for a new guest until it is inserted or the reservation dropped.
    /// When the guest that has both exists already, it is returned instead.
    ///
    /// # Errors
    /// Name or UUID belong to another guest.
    pub fn reserve(
        self: &Arc<Self>,
        name: &str,
        uuid: Uuid,
    ) -> Result<Result<Reservation<G>, Arc<G>>, Taken<G>> {
        let mut maps = self.maps();
        if let Some(guest) = maps.by_uuid.get(&uuid) {
            return match guest.name().as_ref() == name {
                true => Ok(Err(guest.clone())),
                false => Err(Taken::Uuid(guest.clone())),
            };
        }
        if let Some(guest) = maps.by_name.get(name) {
            return Err(Taken::Name(guest.clone()));
        }
        if maps.reserved_names.contains(name) || maps.reserved_uuids.contains(&uuid) {
            return Err(Taken::Reserved);
        }
        let name: Arc<str> = name.into();
        maps.reserved_names.insert(name.clone());
        maps.reserved_uuids.insert(uuid);
        Ok(Ok(Reservation {
            registry: self.clone(),
            name,
            uuid: Some(uuid),
            used: false,
        }))
    }

    /// Keeps `name` for a guest that is about to be renamed.
    ///
    /// # Errors
    /// The name belongs to another guest.
    pub fn reserve_name(self: &Arc<Self>, name: &str) -> Result<Reservation<G>, Taken<G>> {
        let mut maps = self.maps();
        if let Some(guest) = maps.by_name.get(name) {
            return Err(Taken::Name(guest.clone()));
        }
        let name: Arc<str> = name.into();
        if !maps.reserved_names.insert(name.clone()) {
            return Err(Taken::Reserved);
        }
        Ok(Reservation {
            registry: self.clone(),
            name,
            uuid: None,
            used: false,
        })
    }

    /// Adds a guest that was found on disk; `false` when its name or UUID is taken.
    pub fn insert_found(&self, guest: Arc<G>) -> bool {
        let (uuid, name, id) = (guest.uuid(), guest.name(), guest.id());
        let mut maps = self.maps();
        if maps.by_uuid.contains_key(&uuid) || maps.by_name.contains_key(&name) {
            return false;
        }
        if let Some(id) = id {
            maps.by_id.insert(id, guest.clone());
            self.last_id.fetch_max(id, Ordering::Relaxed);
        }
        maps.by_uuid.insert(uuid, guest.clone());
        maps.by_name.insert(name, guest);
        true
    }

    /// Takes a guest out of all maps.
    pub fn remove(&self, guest: &G) {
        let (uuid, name, id) = (guest.uuid(), guest.name(), guest.id());
        let mut maps = self.maps();
        maps.by_uuid.remove(&uuid);
        maps.by_name.remove(&name);
        if let Some(id) = id {
            maps.by_id.remove(&id);
        }
    }

    /// A number no guest had in this life of the daemon, for one that starts. Not known to
    /// look-ups before [`Self::activate`].
    pub fn next_id(&self) -> i32 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The next number is above `id`: a guest had it before the daemon was started anew.
    pub fn continue_after(&self, id: i32) {
        self.last_id.fetch_max(id, Ordering::Relaxed);
    }

    /// Makes the guest known by its number.
    pub fn activate(&self, id: i32, guest: Arc<G>) {
        self.continue_after(id);
        self.maps().by_id.insert(id, guest);
    }

    /// Forgets the number of a guest that stopped.
    pub fn deactivate(&self, id: i32) {
        self.maps().by_id.remove(&id);
    }
}

impl<G: Guest> Reservation<G> {
    /// The reserved name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Puts the new guest in place. It must have the reserved name and UUID.
    pub fn insert(mut self, guest: Arc<G>) {
        debug_assert_eq!(guest.name(), self.name);
        let registry = self.registry.clone();
        let mut maps = registry.maps();
        self.release(&mut maps);
        if let Some(id) = guest.id() {
            maps.by_id.insert(id, guest.clone());
        }
        maps.by_uuid.insert(guest.uuid(), guest.clone());
        maps.by_name.insert(self.name.clone(), guest);
    }

    /// Moves a guest to the reserved name. `publish` makes the guest itself answer with the new
    /// name; no look-up sees a moment in between.
    pub fn rename(mut self, guest: Arc<G>, publish: impl FnOnce(Arc<str>)) {
        let registry = self.registry.clone();
        let mut maps = registry.maps();
        self.release(&mut maps);
        maps.by_name.remove(&guest.name());
        publish(self.name.clone());
        maps.by_name.insert(self.name.clone(), guest);
    }

    fn release(&mut self, maps: &mut Maps<G>) {
        self.used = true;
        maps.reserved_names.remove(&self.name);
        if let Some(uuid) = &self.uuid {
            maps.reserved_uuids.remove(uuid);
        }
    }
}

impl<G: Guest> Drop for Reservation<G> {
    fn drop(&mut self) {
        if !self.used {
            let registry = self.registry.clone();
            self.release(&mut registry.maps());
        }
    }
}

#[cfg(test)]
mod tests;
