//! What only a container's actor may touch, and how it learns of the container's end.

use std::sync::Arc;

use virt_driver::actor;
use virt_driver::description::not_running;
use virt_driver::logs::GuestLog;
use virt_driver::{Event, Guest as _};
use virt_error::{Error, ErrorDomain, Result};
use virt_rpc::protocol::lxc_monitor::ExitStatus;

use super::entry::Guest;
use super::monitor::Monitor;
use super::snapshot::{Container, Snapshot};
use super::status::Status;
use crate::driver::Driver;

/// The container as its actor has it.
pub struct Body {
    guest: Arc<Guest>,
    pub(super) running: Option<Running>,
    stale: bool,
}

/// What the actor keeps of a running container besides what readers see.
pub(super) struct Running {
    pub(super) container: Arc<Container>,
    /// The controller's word; none when it said its last.
    pub(super) monitor: Option<Monitor>,
    /// How the controller says the container ended.
    pub(super) exit: Option<ExitStatus>,
    pub(super) log: GuestLog,
}

/// What there is to hear of a container.
#[derive(Debug)]
pub enum News {
    /// Its controller says how it ended, or closed the connection.
    Said(Option<ExitStatus>),
    /// Its controller is gone.
    Ended,
}

impl actor::Body for Body {
    type Guest = Guest;
    type News = News;

    fn of(guest: Arc<Guest>) -> Self {
        Self {
            guest,
            running: None,
            stale: false,
        }
    }

    fn is_at_rest(&self) -> bool {
        self.running.is_none()
    }

    async fn news(&mut self) -> News {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        match &mut running.monitor {
            None => {
                running.container.controller.ended().await;
                News::Ended
            }
            Some(monitor) => tokio::select! {
                // What it said before it ended comes first.
                biased;
                said = monitor.exit() => News::Said(said),
                _ = running.container.controller.ended() => News::Ended,
            },
        }
    }

    async fn hear(&mut self, news: News) {
        match news {
            News::Said(exit) => {
                if let Some(running) = &mut self.running {
                    running.monitor = None;
                    running.exit = exit;
                }
            }
            News::Ended => self.end().await,
        }
    }

    async fn settle(&mut self) {
        if std::mem::take(&mut self.stale)
            && self.running.is_some()
            && let Err(error) = self.write_status().await
        {
            // The change itself is done; the next one tries again.
            tracing::error!(guest = %self.guest.name(), %error, "the status file is out of date");
        }
    }
}

impl Body {
    /// The container's entry.
    pub fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// What it shares with all containers.
    pub fn driver(&self) -> &Arc<Driver> {
        self.guest.driver()
    }

    /// Changes what readers see, at once. A change of a running container's reaches its status file
    /// before the job is answered.
    pub fn change(&mut self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = Snapshot::clone(&self.guest.snapshot());
        change(&mut snapshot);
        self.guest.publish(snapshot);
        self.stale = self.running.is_some();
    }

    /// Tells clients of an event of this container.
    pub fn emit(&self, event: Event) {
        self.driver().events.emit(&*self.guest, event);
    }

    /// Replaces the status file by what the container is now.
    ///
    /// # Errors
    /// SYSTEM_ERROR that names the file; OPERATION_INVALID when the container does not run.
    pub(crate) async fn write_status(&mut self) -> Result<()> {
        let snapshot = self.guest.current();
        let live = snapshot.live.as_ref().ok_or_else(not_running)?;
        let container = &live.container;
        let status = Status {
            state: snapshot.state,
            controller: container.controller.pid(),
            init: container.init.as_ref().map_or(0, |init| init.pid()),
            logs_through_logd: self
                .running
                .as_ref()
                .is_some_and(|running| running.log.route().is_logd()),
            domain: Arc::clone(&live.domain),
        };
        let path = self.driver().folders.status(&snapshot.name);
        virt_driver::off_thread(move || {
            let comment = virt_driver::warning(&status.domain.name);
            let text = status.to_xml();
            virt_driver::durable::replace(&path, &[comment.as_bytes(), text.as_bytes()]).map_err(
                |cause| {
                    let what = format!("cannot write config file '{}'", path.display());
                    Error::system(ErrorDomain::Lxc, what, &cause)
                },
            )
        })
        .await
    }
}
