//! A guest that is nothing but what the shared code asks of it.

use std::sync::{Arc, Mutex};

use uuid::Uuid;

use crate::{Facts, Guest, Running, Shutoff, State};

#[derive(Debug)]
pub(crate) struct Plain {
    uuid: Uuid,
    name: Mutex<Arc<str>>,
    id: Mutex<Option<i32>>,
}

/// A guest whose UUID comes from its name.
pub(crate) fn guest(name: &str) -> Arc<Plain> {
    let mut bytes = [0; 16];
    let n = name.len().min(16);
    bytes[..n].copy_from_slice(&name.as_bytes()[..n]);
    Arc::new(Plain {
        uuid: Uuid::from_bytes(bytes),
        name: Mutex::new(name.into()),
        id: Mutex::new(None),
    })
}

impl Plain {
    pub(crate) fn set_id(&self, id: Option<i32>) {
        *self.id.lock().unwrap() = id;
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        *self.name.lock().unwrap() = name;
    }
}

impl Guest for Plain {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> Arc<str> {
        self.name.lock().unwrap().clone()
    }

    fn id(&self) -> Option<i32> {
        *self.id.lock().unwrap()
    }

    fn facts(&self) -> Facts {
        Facts {
            state: match self.id() {
                Some(_) => State::Running(Running::Booted),
                None => State::Shutoff(Shutoff::Unknown),
            },
            persistent: true,
            autostart: false,
            updated: false,
            managed_save: false,
            snapshots: false,
            checkpoints: false,
        }
    }
}
