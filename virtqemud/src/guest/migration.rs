//! Memory and devices of a guest, written to a descriptor and read from one.

use std::os::fd::OwnedFd;
use std::time::Duration;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::body::Body;
use crate::qmp::QmpError;

/// The name QEMU knows the descriptor by.
const NAME: &str = "migrate";
const URI: &str = "fd:migrate";

/// QEMU is asked how far it is that often, in case an event was lost.
const LOOK: Duration = Duration::from_secs(5);

impl Body {
    /// Has a QEMU that was started for it read its state.
    pub(crate) async fn read_state(&mut self, from: OwnedFd) -> Result<()> {
        let name = self.name();
        let told = |error: QmpError| error.about(&name);
        let running = self.running()?;
        running.migration = None;
        let monitor = running.qemu.monitor.clone();
        let (given, begun) = (monitor.give_fd(NAME, from), monitor.migrate_incoming(URI));
        self.attend(async { given.await.and(begun.await) })
            .await
            .map_err(told)?;
        self.until_migrated().await
    }

    /// Has QEMU write its state; the guest's processors stand still.
    pub(crate) async fn write_state(&mut self, to: OwnedFd) -> Result<()> {
        let name = self.name();
        let told = |error: QmpError| error.about(&name);
        let running = self.running()?;
        running.migration = None;
        let monitor = running.qemu.monitor.clone();
        // As fast as the file takes it.
        let parameters = serde_json::json!({ "max-bandwidth": i64::MAX });
        let (unbound, given, begun) = (
            monitor.set_migration_parameters(parameters),
            monitor.give_fd(NAME, to),
            monitor.migrate(URI),
        );
        self.attend(async { unbound.await.and(given.await).and(begun.await) })
            .await
            .map_err(told)?;
        self.until_migrated().await
    }

    /// Waits until QEMU says that all is read or written. There is no deadline: memory may be
    /// large and a disk slow, and whoever waits can end the guest or the job.
    async fn until_migrated(&mut self) -> Result<()> {
        loop {
            match self.running()?.migration.as_deref() {
                Some("completed") => return Ok(()),
                Some("cancelled") => {
                    return Err(Error::new(
                        ErrorCode::OperationAborted,
                        ErrorDomain::Qemu,
                        "job: canceled by client",
                    ));
                }
                Some("failed") => return Err(self.why_not_migrated().await),
                _ => {}
            }
            match tokio::time::timeout(LOOK, self.news()).await {
                Ok(news) => self.hear(news).await,
                Err(_) => {
                    let monitor = self.running()?.qemu.monitor.clone();
                    let name = self.name();
                    let now = self.attend(async move { monitor.migration().await }).await;
                    let now = now.map_err(|error| error.about(&name))?;
                    self.running()?.migration = now.status;
                }
            }
        }
    }

    async fn why_not_migrated(&mut self) -> Error {
        let reason = match self.running() {
            Ok(running) => {
                let monitor = running.qemu.monitor.clone();
                monitor.migration().await.ok()
            }
            Err(_) => None,
        };
        let reason = reason
            .and_then(|migration| migration.error_desc)
            .unwrap_or_else(|| "unexpectedly failed".to_owned());
        Error::new(
            ErrorCode::OperationFailed,
            ErrorDomain::Qemu,
            format!("job failed: {reason}"),
        )
    }
}
