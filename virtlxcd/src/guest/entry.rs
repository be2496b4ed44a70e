//! The container's entry in the registry.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use uuid::Uuid;
use virt_driver::actor::{self, HasActor, Mailbox, Work};
use virt_driver::{Facts, Owners};
use virt_error::{ErrorDomain, Result};

use super::body::Body;
use super::snapshot::Snapshot;
use crate::driver::Driver;

/// A container of this host, active or not.
pub struct Guest {
    driver: Arc<Driver>,
    uuid: Uuid,
    snapshot: ArcSwap<Snapshot>,
    mailbox: Mailbox<Body>,
}

impl Guest {
    /// A container that nobody knows yet.
    pub fn new(driver: &Arc<Driver>, uuid: Uuid, snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Self {
            driver: Arc::clone(driver),
            uuid,
            snapshot: ArcSwap::from_pointee(snapshot),
            mailbox: Mailbox::default(),
        })
    }

    /// What it shares with all containers.
    pub fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// The container as it is now. Don't hold it over an await.
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// The container as it is now, to keep.
    pub fn current(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Publishes a change. Only the actor changes a container (through [`Body::change`]).
    pub(super) fn publish(&self, mut snapshot: Snapshot) {
        if !snapshot.is_active() && snapshot.definition.is_none() {
            // It is gone, and those may hear of it who owned it.
            snapshot.last_owners = Some(Arc::new(self.snapshot().owners()));
        }
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Takes over what is kept about a container that was found running when the daemon started; it
    /// is served to nobody yet.
    pub fn adopt_definition(&self, kept: Snapshot) {
        let running = Snapshot::clone(&self.snapshot());
        self.publish(Snapshot {
            definition: kept.definition,
            autostart: kept.autostart,
            ..running
        });
    }

    /// Has the container's actor run a change, after those that wait already.
    ///
    /// # Errors
    /// As [`actor::submit`].
    pub async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        job: &'static str,
        work: impl for<'a> Work<'a, Body, T> + Send + 'static,
    ) -> Result<T> {
        actor::submit(self, job, work).await
    }
}

impl HasActor<Body> for Guest {
    const DOMAIN: ErrorDomain = ErrorDomain::Lxc;

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

    fn facts(&self) -> Facts {
        let snapshot = self.snapshot();
        Facts {
            state: snapshot.state,
            persistent: snapshot.definition.is_some(),
            autostart: snapshot.autostart,
            updated: snapshot.updated,
            managed_save: false,
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
