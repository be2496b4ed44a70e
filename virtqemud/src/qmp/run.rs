//! Commands that start, stop and end the guest's run.

use serde::Deserialize;
use serde_json::json;

use super::error::QmpError;
use super::monitor::{Monitor, Pending};

/// Reply of `query-status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RunStatus {
    /// Whether virtual CPUs run.
    pub running: bool,
    /// QEMU's run state: `running`, `paused`, `prelaunch`, `inmigrate`, `shutdown`,
    /// `guest-panicked`, `io-error`, `watchdog`, `suspended`, …
    pub status: String,
}

impl Monitor {
    /// `query-status`.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn run_status(&self) -> Result<RunStatus, QmpError> {
        self.query("query-status", None).await
    }

    /// `cont`: lets the virtual CPUs run.
    pub fn cont(&self) -> Pending {
        self.send("cont", None)
    }

    /// `stop`: halts the virtual CPUs.
    pub fn stop(&self) -> Pending {
        self.send("stop", None)
    }

    /// `system_powerdown`: presses the (ACPI) power button.
    pub fn system_powerdown(&self) -> Pending {
        self.send("system_powerdown", None)
    }

    /// `system_reset`: presses the reset button.
    pub fn system_reset(&self) -> Pending {
        self.send("system_reset", None)
    }

    /// `system_wakeup`: wakes the guest from its own suspend.
    pub fn system_wakeup(&self) -> Pending {
        self.send("system_wakeup", None)
    }

    /// `quit`: ends QEMU.
    pub fn quit(&self) -> Pending {
        self.send("quit", None)
    }

    /// `inject-nmi`: on x86 to all CPUs.
    pub fn inject_nmi(&self) -> Pending {
        self.send("inject-nmi", None)
    }

    /// Runs a command of QEMU's human monitor and gives its text.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn human(&self, line: &str) -> Result<String, QmpError> {
        let arguments = json!({ "command-line": line });
        self.query("human-monitor-command", Some(arguments)).await
    }
}
