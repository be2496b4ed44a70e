//! The end of a guest's run: who ends QEMU, and what is left to do once it is gone.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use virt_driver::{Shutoff, State};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::body::Body;
use super::entry::Guest;
use super::lifecycle::Lifecycle;
use super::snapshot::Qemu;

/// How long QEMU may take to flush and leave after SIGTERM, as with the stock daemon.
const GRACE: Duration = Duration::from_secs(10);

/// How long the kernel may take to end a killed process; longer means it hangs in a device.
const KILLED: Duration = Duration::from_secs(30);

impl Guest {
    /// Ends the guest now. Does not wait for other jobs: they end when QEMU is gone. `graceful`
    /// gives up where QEMU does not leave by itself.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run, SYSTEM_ERROR when it can't be killed.
    pub async fn destroy(self: &Arc<Self>, graceful: bool) -> Result<()> {
        let live = self.snapshot().live.clone();
        let qemu = live
            .ok_or_else(virt_driver::description::not_running)?
            .qemu
            .clone();
        let mut gone = qemu.ending.gone();
        let before = qemu.ending.intend(Shutoff::Destroyed);
        if let Err(error) = terminate(&qemu, graceful).await {
            if before == Shutoff::Destroyed {
                qemu.ending.forgive();
            }
            return Err(error);
        }
        // Only the actor's fault could keep this from coming; the process is gone then as well.
        let _ = gone.wait_for(|gone| *gone).await;
        Ok(())
    }
}

/// Asks QEMU to leave and waits for its end; kills it when it does not, unless `graceful`.
async fn terminate(qemu: &Qemu, graceful: bool) -> Result<()> {
    let failed = |e: std::io::Error| {
        let what = format!(
            "Failed to terminate process {} with SIGKILL",
            qemu.process.pid()
        );
        Error::system(ErrorDomain::None, what, &e)
    };
    // A stopped process takes no request.
    if !is_stopped(qemu.process.pid()) {
        qemu.process.signal(Signal::TERM).map_err(failed)?;
        if wait(qemu, GRACE).await {
            return Ok(());
        }
    }
    if graceful {
        return Err(Error::new(
            ErrorCode::SystemError,
            ErrorDomain::None,
            format!(
                "Failed to terminate process {} with SIGTERM: Device or resource busy",
                qemu.process.pid()
            ),
        ));
    }
    qemu.process.kill().map_err(failed)?;
    match wait(qemu, KILLED).await {
        true => Ok(()),
        false => Err(failed(std::io::Error::from_raw_os_error(nix::libc::EBUSY))),
    }
}

async fn wait(qemu: &Qemu, time: Duration) -> bool {
    let mut ended = qemu.ending.gone();
    tokio::select! {
        _ = ended.wait_for(|gone| *gone) => true,
        () = until_dead(qemu) => true,
        () = tokio::time::sleep(time) => false,
    }
}

/// Watches without reaping: how it ended is the actor's to learn.
async fn until_dead(qemu: &Qemu) {
    qemu.process.readable().await;
}

/// Whether somebody stopped the process (SIGSTOP, a debugger).
fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|state| state.starts_with(['T', 't']))
}

impl Body {
    /// Has QEMU end in the background; the reason is told once it is gone.
    pub(crate) fn end_qemu(&mut self, reason: Shutoff) {
        let Some(running) = &self.running else { return };
        running.qemu.ending.intend(reason);
        let qemu = Arc::clone(&running.qemu);
        let name = self.name();
        tokio::spawn(async move {
            if let Err(error) = terminate(&qemu, false).await {
                tracing::error!(guest = %name, %error, "QEMU does not end");
            }
        });
    }

    /// Cleans up after a QEMU that is gone.
    pub(super) async fn end(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let before = self.guest().current();
        let reason = running
            .qemu
            .ending
            .intended()
            .unwrap_or(match before.state {
                State::Shutdown(_) => Shutoff::Shutdown,
                _ if running.is_up => Shutoff::Crashed,
                _ => Shutoff::Failed,
            });
        if !running.is_up {
            self.epitaph = running.log.last_words().await;
        }
        if let (true, Some(live)) = (running.is_up, &before.live) {
            self.audit_stop(live, reason);
        }
        let driver = Arc::clone(self.driver());
        if let Err(error) = running.log.ending(reason.word()).await {
            tracing::warn!(guest = %before.name, %error, "the guest's log can't be written");
        }
        let belongings = running.belongings;
        let removed = tokio::task::spawn_blocking(move || belongings.remove());
        if let Err(error) = removed.await {
            tracing::error!(guest = %before.name, %error, "not everything of the guest was removed");
        }
        // The event bears the number the guest had; look-ups don't find it any more by then.
        if let Some(id) = before.id {
            driver.registry.deactivate(id);
        }
        self.change(|snapshot| {
            snapshot.id = None;
            snapshot.live = None;
            snapshot.state = State::Shutoff(reason);
        });
        // As it is now: at the daemon's start, definitions are found while guests end.
        if self.guest().current().definition.is_none() {
            driver.registry.remove(self.guest());
        }
        if running.is_up {
            self.emit(Lifecycle::Stopped(reason).event());
        }
        running.qemu.ending.tell_gone();
    }
}
