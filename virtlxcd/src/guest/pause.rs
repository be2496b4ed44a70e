//! Stopping a container where it stands, and letting it go on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use virt_cgroup::{Freezing, Group, Placed};
use virt_driver::description::not_running;
use virt_driver::{Paused, Running as RunReason, State};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::body::Body;
use super::entry::Guest;
use super::lifecycle;
use super::snapshot::Container;

/// How long a container's processes may take to stand: one that waits for a disk does not at once.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

impl Guest {
    /// Stops all of the container's processes.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run, OPERATION_UNSUPPORTED where the host can't,
    /// OPERATION_FAILED when they don't stop.
    pub async fn suspend(self: &Arc<Self>) -> Result<()> {
        self.run("suspend", |body| Box::pin(suspend(body))).await
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// OPERATION_INVALID when they do.
    pub async fn resume(self: &Arc<Self>) -> Result<()> {
        self.run("resume", |body| Box::pin(resume(body))).await
    }
}

fn group(container: &Container) -> Result<&Group> {
    let placed = container.groups.as_deref().map(Placed::group);
    placed.ok_or_else(|| {
        Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Lxc,
            "the container is in no control group, which is what would stop its processes",
        )
    })
}

async fn suspend(body: &mut Body) -> Result<()> {
    let snapshot = body.guest().current();
    let container = &snapshot.running()?.container;
    if matches!(snapshot.state, State::Paused(_)) {
        return Ok(());
    }
    let group = group(container)?;
    group.freeze()?;
    // Whoever ends it lets its processes go, so that they can: before this or from now on.
    if let Err(error) = stands(container, group).await {
        let _ = group.thaw();
        return Err(error);
    }
    body.change(|snapshot| snapshot.state = State::Paused(Paused::User));
    body.emit(lifecycle::SUSPENDED);
    Ok(())
}

/// Waits until everything stands.
async fn stands(container: &Container, group: &Group) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while container.ending.intended().is_none() {
        match group.freezing()? {
            Freezing::Frozen => return Ok(()),
            Freezing::Thawed => break,
            Freezing::UnderWay if Instant::now() >= deadline => {
                return Err(Error::new(
                    ErrorCode::OperationFailed,
                    ErrorDomain::Lxc,
                    "Suspend operation failed: a process of the container does not stop, as it \
                     waits for a disk or the like; it goes on",
                ));
            }
            Freezing::UnderWay => tokio::time::sleep(LOOK).await,
        }
    }
    Err(not_running())
}

async fn resume(body: &mut Body) -> Result<()> {
    let snapshot = body.guest().current();
    let container = &snapshot.running()?.container;
    if !matches!(snapshot.state, State::Paused(_)) {
        return Err(Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Lxc,
            "domain is already running",
        ));
    }
    group(container)?.thaw()?;
    body.change(|snapshot| snapshot.state = State::Running(RunReason::Unpaused));
    body.emit(lifecycle::RESUMED);
    Ok(())
}

/// Lets processes go on that are to end: where version 1 stops them, not even SIGKILL ends them.
pub(super) fn let_go(container: &Container) {
    if let Some(Err(error)) = container
        .groups
        .as_ref()
        .map(|placed| placed.group().thaw())
    {
        // Without a freezer nothing stands, and without a group nothing is there.
        tracing::debug!(%error, "the container is not let go");
    }
}

/// The state that a container is found in: a daemon may have ended between stopping it and saying so.
pub(super) fn found(container: &Container, noted: State) -> State {
    let freezing = group(container).and_then(Group::freezing);
    match (freezing, noted) {
        (Ok(Freezing::Frozen | Freezing::UnderWay), State::Running(_)) => {
            State::Paused(Paused::User)
        }
        (Ok(Freezing::Thawed), State::Paused(_)) => State::Running(RunReason::Unpaused),
        (_, noted) => noted,
    }
}
