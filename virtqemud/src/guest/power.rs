//! What is done to a running guest as a whole: pause, resume, the buttons of its machine.

use std::sync::Arc;

use virt_driver::{Paused, Running, State};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::body::Body;
use super::entry::Guest;

fn invalid(text: &str) -> Error {
    Error::new(ErrorCode::OperationInvalid, ErrorDomain::Qemu, text)
}

impl Guest {
    /// Stops its processors. A paused guest stays paused.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run or sleeps; OPERATION_TIMEOUT when QEMU hangs.
    pub async fn suspend(self: &Arc<Self>) -> Result<()> {
        self.run("suspend", |body| Box::pin(body.suspend())).await
    }

    /// Lets its processors run.
    ///
    /// # Errors
    /// OPERATION_INVALID when it runs already, is off or sleeps; OPERATION_TIMEOUT.
    pub async fn resume(self: &Arc<Self>) -> Result<()> {
        self.run("resume", |body| Box::pin(body.resume())).await
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run; OPERATION_TIMEOUT.
    pub async fn reset(self: &Arc<Self>) -> Result<()> {
        self.run("reset", |body| Box::pin(body.reset())).await
    }

    /// Presses the power button; with `reboot` the guest comes back after it went down.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run; OPERATION_TIMEOUT.
    pub async fn press_power(self: &Arc<Self>, reboot: bool) -> Result<()> {
        let job = if reboot { "reboot" } else { "shutdown" };
        self.run(job, move |body| Box::pin(body.press_power(reboot)))
            .await
    }

    /// Wakes it from its own sleep.
    ///
    /// # Errors
    /// OPERATION_INVALID when it is off, INTERNAL_ERROR when it does not sleep; OPERATION_TIMEOUT.
    pub async fn wake(self: &Arc<Self>) -> Result<()> {
        self.run("wakeup", |body| Box::pin(body.wake())).await
    }

    /// Injects a non-maskable interrupt into all processors.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run; OPERATION_TIMEOUT.
    pub async fn inject_nmi(self: &Arc<Self>) -> Result<()> {
        self.run("inject NMI", |body| {
            Box::pin(body.ask(|monitor| monitor.inject_nmi()))
        })
        .await
    }
}

impl Body {
    async fn suspend(&mut self) -> Result<()> {
        self.live()?;
        match self.guest().snapshot().state {
            State::PmSuspended => Err(invalid("domain is pmsuspended")),
            State::Paused(_) => Ok(()),
            _ => self.stop_cpus(Paused::User).await,
        }
    }

    async fn resume(&mut self) -> Result<()> {
        self.live()?;
        let state = self.guest().snapshot().state;
        match state {
            State::PmSuspended => Err(invalid("domain is pmsuspended")),
            State::Running(_) => Err(invalid("domain is already running")),
            _ => self.start_cpus(Running::Unpaused).await,
        }
    }

    async fn reset(&mut self) -> Result<()> {
        self.ask(|monitor| monitor.system_reset()).await
    }

    async fn press_power(&mut self, reboot: bool) -> Result<()> {
        let running = self.running()?;
        running.kept.reboot_wanted = reboot;
        self.stale = true;
        self.ask(|monitor| monitor.system_powerdown()).await
    }

    async fn wake(&mut self) -> Result<()> {
        // QEMU knows best whether it sleeps, and says so.
        self.ask(|monitor| monitor.system_wakeup()).await
    }

    /// Has QEMU do something that has no result.
    pub(crate) async fn ask(
        &mut self,
        command: impl FnOnce(&crate::qmp::Monitor) -> crate::qmp::Pending,
    ) -> Result<()> {
        let pending = command(&self.running()?.qemu.monitor);
        let done = self.attend(pending).await;
        done.map_err(|error| error.about(&self.name()))?;
        Ok(())
    }
}
