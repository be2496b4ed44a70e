//! What is done to a guest that nobody supports: words of the status file and the log, sentences
//! of `virsh dominfo`, as seen in the stock daemon.

use std::sync::Arc;

use virt_error::Result;

use super::entry::Guest;

impl Guest {
    /// Notes that something unsupported is done to the running guest.
    ///
    /// # Errors
    /// OPERATION_INVALID when it does not run; OPERATION_TIMEOUT.
    pub async fn taint(self: &Arc<Self>, taint: Taint) -> Result<()> {
        let has = |guest: &Self| {
            let live = guest.snapshot().live.clone();
            live.is_some_and(|live| live.taints.contains(&taint))
        };
        if has(self) {
            return Ok(());
        }
        self.run("taint", move |body| {
            Box::pin(async move {
                let id = body.guest().snapshot().id.unwrap_or(-1);
                body.note(&format!("Domain id={id} is tainted: {}", taint.word()));
                body.change_live(|live| {
                    live.taints = live.taints.iter().copied().chain([taint]).collect();
                })
            })
        })
        .await
    }
}

/// One such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taint {
    /// `<qemu:commandline>` and its kin.
    CustomArgv,
    /// Commands sent past the driver (`virsh qemu-monitor-command`).
    CustomMonitor,
    /// QEMU runs as root.
    HighPrivileges,
    /// The processor is the host's own, whatever that is.
    HostCpu,
    /// Something that is on its way out.
    DeprecatedConfig,
}

impl Taint {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::CustomArgv,
        Self::CustomMonitor,
        Self::HighPrivileges,
        Self::HostCpu,
        Self::DeprecatedConfig,
    ];

    /// The word of status file and log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CustomArgv => "custom-argv",
            Self::CustomMonitor => "custom-monitor",
            Self::HighPrivileges => "high-privileges",
            Self::HostCpu => "host-cpu",
            Self::DeprecatedConfig => "deprecated-config",
        }
    }

    /// The taint a status file names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|taint| taint.word() == word)
    }

    /// The sentence behind "tainted: ".
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::CustomArgv => "custom configuration parameters specified",
            Self::CustomMonitor => "custom monitor control commands issued",
            Self::HighPrivileges => "running with undesirable elevated privileges",
            Self::HostCpu => "use of host cpu passthrough",
            Self::DeprecatedConfig => "use of deprecated configuration settings",
        }
    }
}
