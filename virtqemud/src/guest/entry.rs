//! The guest's entry in the registry.

use std::sync::{Arc, Mutex};

use arc_swap::{ArcSwap, Guard};
use uuid::Uuid;
use virt_driver::{Facts, Owners};
use virt_error::Result;

use super::actor::{self, Mailbox, Work};
use super::snapshot::Snapshot;
use crate::driver::Driver;

/// A guest of this host, active or not.
pub struct Guest {
    driver: Arc<Driver>,
    uuid: Uuid,
    snapshot: ArcSwap<Snapshot>,
    pub(super) mailbox: Mutex<Option<Mailbox>>,
}

impl Guest {
    /// A guest that nobody knows yet.
    pub fn new(driver: &Arc<Driver>, uuid: Uuid, snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Self {
            driver: Arc::clone(driver),
            uuid,
            snapshot: ArcSwap::from_pointee(snapshot),
            mailbox: Mutex::new(None),
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
    pub(super) fn publish(&self, snapshot: Snapshot) {
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
        work: impl for<'a> Work<'a, T> + Send + 'static,
    ) -> Result<T> {
        actor::submit(self, job, work).await
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
        let snapshot = self.snapshot();
        match (&snapshot.live, &snapshot.definition) {
            (Some(live), _) => live.domain.metadata.as_ref().map(Owners::of),
            (None, definition) => definition
                .as_ref()
                .and_then(|definition| definition.summary().owners.as_deref().cloned()),
        }
        .unwrap_or_default()
    }

    fn facts(&self) -> Facts {
        let snapshot = self.snapshot();
        Facts {
            state: snapshot.state,
            persistent: snapshot.definition.is_some(),
            autostart: snapshot.autostart,
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
