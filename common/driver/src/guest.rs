//! What the shared code asks of a driver's guest.

use std::sync::Arc;

use uuid::Uuid;
use virt_rpc::protocol::remote::NonnullDomain;

use crate::access::AccessObject;
use crate::{Owners, State};

/// One guest of a driver: an entry of the [`Registry`](crate::Registry).
///
/// Every question is answered from what was published last, at once; none waits for the guest.
pub trait Guest: Send + Sync + 'static {
    /// Its UUID, which never changes.
    fn uuid(&self) -> Uuid;

    /// Its name, which a rename changes.
    fn name(&self) -> Arc<str>;

    /// Its number while it is active, from 1.
    fn id(&self) -> Option<i32>;

    /// What lists are filtered by.
    fn facts(&self) -> Facts;

    /// Who owns it, as its metadata say, or said when it was last there; policies may look at that.
    fn owners(&self) -> Owners {
        Owners::default()
    }

    /// What policies know it by. A driver keeps it as long as it stays the same, for every call looks.
    fn access_object(&self) -> Arc<AccessObject> {
        AccessObject::of_guest(self)
    }

    /// The guest as the wire names it.
    fn on_the_wire(&self) -> NonnullDomain {
        NonnullDomain {
            name: self.name().as_ref().to_owned(),
            uuid: self.uuid().into_bytes(),
            id: self.id().unwrap_or(-1),
        }
    }
}

/// What the filters of a list look at, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// State and reason.
    pub state: State,
    /// It has a persistent definition.
    pub persistent: bool,
    /// It starts with the host.
    pub autostart: bool,
    /// Its definition was changed since it was made.
    pub updated: bool,
    /// It has a managed save image.
    pub managed_save: bool,
    /// It has snapshots.
    pub snapshots: bool,
    /// It has checkpoints.
    pub checkpoints: bool,
}

impl Facts {
    /// Whether the guest has a process.
    pub const fn is_active(&self) -> bool {
        self.state.is_active()
    }
}
