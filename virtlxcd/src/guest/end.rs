//! The end of a container's run: who ends it, and what is left to do once its controller is gone.

use std::sync::Arc;
use std::time::Duration;

use virt_driver::process::Process;
use virt_driver::{Event, Guest as _, Shutoff, State, done_off_thread};
use virt_error::{Error, ErrorDomain, Result};
use virt_rpc::protocol::lxc_monitor::ExitStatus;

use super::body::Body;
use super::entry::Guest;
use super::lifecycle;
use super::pause;
use super::snapshot::Container;
use super::start;
use crate::devices;
use crate::interfaces;

/// How long the controller may take to tell of the end of a container that was killed.
const GRACE: Duration = Duration::from_secs(10);

impl Guest {
    /// Ends the container now. Does not wait for other jobs.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run, SYSTEM_ERROR when it can't be killed.
    pub async fn destroy(self: &Arc<Self>) -> Result<()> {
        let container = Arc::clone(&self.snapshot().running()?.container);
        let mut gone = container.ending.gone();
        container.ending.intend(Shutoff::Destroyed);
        let failed = |e: std::io::Error| {
            let pid = container.controller.pid();
            let what = format!("Failed to terminate process {pid} with SIGKILL");
            Error::system(ErrorDomain::None, what, &e)
        };
        match &container.init {
            Some(init) => init.kill(),
            None => container.controller.kill(),
        }
        .map_err(failed)?;
        pause::let_go(&container);
        tokio::select! {
            _ = gone.wait_for(|gone| *gone) => return Ok(()),
            () = tokio::time::sleep(GRACE) => {}
        }
        // A controller that does not notice goes too, and takes the container along.
        container.controller.kill().map_err(failed)?;
        pause::let_go(&container);
        let _ = gone.wait_for(|gone| *gone).await;
        Ok(())
    }
}

impl Body {
    /// Cleans up after a controller that is gone, and starts a container anew that wants to be.
    pub(super) async fn end(&mut self) {
        let Some(running) = self.running.take() else {
            return;
        };
        let before = self.guest().current();
        let container = running.container;
        let intended = container.ending.intended();
        let reason = intended.unwrap_or(match running.exit {
            Some(ExitStatus::SHUTDOWN | ExitStatus::REBOOT) => Shutoff::Shutdown,
            Some(_) => Shutoff::Failed,
            // It was killed, and said nothing.
            None => Shutoff::Crashed,
        });
        let wants_reboot = intended.is_none() && running.exit == Some(ExitStatus::REBOOT);
        let driver = Arc::clone(self.driver());
        if let Some(live) = &before.live {
            let subject = virt_driver::audit::Subject::from(&*live.domain);
            driver
                .auditor
                .tell(&subject, |subject| vec![subject.stopped(reason.word())]);
        }
        if let Err(error) = running.log.ending(reason.word()).await {
            tracing::warn!(guest = %before.name, %error, "the container's log can't be written");
        }
        remove(&container).await;
        if let Some(live) = &before.live {
            interfaces::left(&driver, live).await;
        }
        let (name, uuid) = (Arc::clone(&before.name), self.guest().uuid());
        let (folders, labels) = (driver.folders.clone(), driver.labels.clone());
        let live = before.live.clone();
        done_off_thread(move || {
            folders.remove_run(&name);
            devices::release(uuid, None);
            if let Some(live) = live {
                labels.release(&live.domain.seclabels, uuid);
            }
        })
        .await;
        if let Some(id) = before.id {
            driver.registry.deactivate(id);
        }
        self.change(|snapshot| {
            snapshot.id = None;
            snapshot.live = None;
            snapshot.state = State::Shutoff(reason);
        });
        container.ending.tell_gone();
        if wants_reboot && let Some(live) = &before.live {
            let mut domain = virt_domain::Domain::clone(&live.domain);
            domain.inactive();
            match start::launch(self, &domain).await {
                Ok(()) => {
                    self.emit(Event::Reboot);
                    return;
                }
                Err(error) => {
                    tracing::error!(guest = %before.name, %error, "the container does not boot again");
                }
            }
        }
        if self.guest().current().definition.is_none() {
            driver.registry.remove(self.guest());
        }
        let dom = virt_rpc::protocol::remote::NonnullDomain {
            id: before.id.unwrap_or(-1),
            ..self.guest().on_the_wire()
        };
        driver
            .events
            .emit_as(&**self.guest(), dom, lifecycle::stopped(reason));
    }
}

/// Ends what may be left of a container and removes its groups.
pub(super) async fn remove(container: &Arc<Container>) {
    if let Some(init) = &container.init {
        // One whose controller was killed ends with it, unless it asked the kernel not to.
        let _ = init.kill();
        pause::let_go(container);
        until_gone(init).await;
    }
    let Some(groups) = container.groups.clone() else {
        return;
    };
    done_off_thread(move || groups.remove()).await;
}

async fn until_gone(init: &Process) {
    if tokio::time::timeout(GRACE, init.readable()).await.is_err() {
        tracing::error!(pid = init.pid(), "the container's init does not end");
    }
}
