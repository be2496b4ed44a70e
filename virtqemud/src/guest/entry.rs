//! The guest's entry in the registry.

use std::sync::{Arc, Weak};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use uuid::Uuid;
use virt_driver::access::AccessObject;
use virt_driver::actor::{self, HasActor, Mailbox, Work};
use virt_driver::{Facts, Owners};
use virt_error::{ErrorDomain, Result};

use super::body::Body;
use super::snapshot::Snapshot;
use crate::driver::Driver;

/// What policies know a guest by, and the snapshot that says so.
struct KnownAs {
    snapshot: Weak<Snapshot>,
    object: Arc<AccessObject>,
}

/// A guest of this host, active or not.
pub struct Guest {
    driver: Arc<Driver>,
    uuid: Uuid,
    snapshot: ArcSwap<Snapshot>,
    known_as: ArcSwapOption<KnownAs>,
    mailbox: Mailbox<Body>,
}

impl Guest {
    /// A guest that nobody knows yet.
    pub fn new(driver: &Arc<Driver>, uuid: Uuid, snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Self {
            driver: Arc::clone(driver),
            uuid,
            snapshot: ArcSwap::from_pointee(snapshot),
            known_as: ArcSwapOption::empty(),
            mailbox: Mailbox::default(),
        })
    }

    /// What it shares with all guests.
    pub fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// The guest as it is now. Don't hold it over an await; clone the `Arc` for that
    /// ([`Guest::current`]).
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The guest as it is now, to keep.
    pub fn current(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Publishes a change. Only the actor changes a guest (through [`super::Body::change`]).
    pub(super) fn publish(&self, mut snapshot: Snapshot) {
        if !snapshot.is_active() && snapshot.definition.is_none() {
            // It is gone, and those may hear of it who owned it.
            snapshot.last_owners = Some(Arc::new(self.snapshot().owners()));
        }
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Takes over what is kept about a guest that was found running when the daemon started; it
    /// is served to nobody yet.
    pub fn adopt_definition(&self, kept: Snapshot) {
        let running = Snapshot::clone(&self.snapshot());
        self.publish(Snapshot {
            definition: kept.definition,
            autostart: kept.autostart,
            autostart_once: kept.autostart_once,
            managed_save: kept.managed_save,
            ..running
        });
    }

    /// Has the guest's actor run a change, after those that wait already. `job` names it in the
    /// error of those who wait too long for their turn. A job that began is run to its end even
    /// when nobody waits for it any more.
    ///
    /// # Errors
    /// OPERATION_TIMEOUT when other changes take too long, else the change's own.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: &'static str,
        work: impl for<'a> Work<'a, Body, T> + Send + 'static,
    ) -> Result<T> {
        actor::submit(self, job, work).await
    }
}

impl HasActor<Body> for Guest {
    const DOMAIN: ErrorDomain = ErrorDomain::Qemu;

    fn mailbox(&self) -> &Mailbox<Body> {
        &self.mailbox
    }
}

impl virt_driver::Guest for Guest {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> Arc<str> {
        Arc::clone(&self.snapshot().name)
    }

    fn id(&self) -> Option<i32> {
        self.snapshot().id
    }

    fn owners(&self) -> Owners {
        self.snapshot().owners()
    }

    fn access_object(&self) -> Arc<AccessObject> {
        let snapshot = self.snapshot();
        let kept = self.known_as.load();
        if let Some(kept) = &*kept
            && kept.snapshot.as_ptr() == Arc::as_ptr(&snapshot)
        {
            return Arc::clone(&kept.object);
        }
        let now = AccessObject::of_guest(self);
        // Most changes of a guest are none to policies, and decisions are found by the same one faster.
        let object = match &*kept {
            Some(kept) if kept.object == now => Arc::clone(&kept.object),
            _ => now,
        };
        self.known_as.store(Some(Arc::new(KnownAs {
            snapshot: Arc::downgrade(&snapshot),
            object: Arc::clone(&object),
        })));
        object
    }

    fn facts(&self) -> Facts {
        let snapshot = self.snapshot();
        Facts {
            state: snapshot.state,
            persistent: snapshot.definition.is_some(),
            autostart: snapshot.autostart,
            updated: snapshot.updated,
            managed_save: snapshot.managed_save,
            // Neither exists yet: their calls are refused.
            snapshots: false,
            checkpoints: false,
        }
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest")
            .field("uuid", &self.uuid)
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}
