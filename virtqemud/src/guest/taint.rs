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
                let line = format!("Domain id={id} is tainted: {}", taint.word());
                body.note(&line).await;
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
    /// A script sets up an interface.
    ShellScripts,
    /// The format of an image is guessed.
    DiskProbing,
    /// Its QEMU was started by somebody else.
    ExternalLaunch,
    /// The processor is the host's own, whatever that is.
    HostCpu,
    /// A hook may have changed it.
    HookScript,
    /// A drive of the host is handed over.
    CdromPassthrough,
    /// `<dtb>`.
    CustomDtb,
    /// Commands sent to the agent past the driver.
    CustomAgentCommand,
    /// A feature is forced that QEMU says it hasn't got.
    CustomHypervisorFeature,
    /// Something that is on its way out.
    DeprecatedConfig,
    /// `<qemu:override>`.
    CustomDevice,
}

impl Taint {
    /// All.
    pub const ALL: [Self; 14] = [
        Self::CustomArgv,
        Self::CustomMonitor,
        Self::HighPrivileges,
        Self::ShellScripts,
        Self::DiskProbing,
        Self::ExternalLaunch,
        Self::HostCpu,
        Self::HookScript,
        Self::CdromPassthrough,
        Self::CustomDtb,
        Self::CustomAgentCommand,
        Self::CustomHypervisorFeature,
        Self::DeprecatedConfig,
        Self::CustomDevice,
    ];

    /// The word of status file and log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CustomArgv => "custom-argv",
            Self::CustomMonitor => "custom-monitor",
            Self::HighPrivileges => "high-privileges",
            Self::ShellScripts => "shell-scripts",
            Self::DiskProbing => "disk-probing",
            Self::ExternalLaunch => "external-launch",
            Self::HostCpu => "host-cpu",
            Self::HookScript => "hook-script",
            Self::CdromPassthrough => "cdrom-passthrough",
            Self::CustomDtb => "custom-dtb",
            Self::CustomAgentCommand => "custom-ga-command",
            Self::CustomHypervisorFeature => "custom-hypervisor-feature",
            Self::CustomDevice => "custom-device",
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
            Self::ShellScripts => "network configuration using opaque shell scripts",
            Self::DiskProbing => "potentially unsafe disk format probing",
            Self::ExternalLaunch => "managing externally launched configuration",
            Self::HostCpu => "potentially unsafe use of host CPU passthrough",
            Self::HookScript => "configuration potentially modified by hook script",
            Self::CdromPassthrough => "use of host cdrom passthrough",
            Self::CustomDtb => "custom device tree blob used",
            Self::CustomAgentCommand => "custom guest agent control commands issued",
            Self::CustomHypervisorFeature => "hypervisor feature autodetection override",
            Self::CustomDevice => "custom device configuration",
            Self::DeprecatedConfig => "use of deprecated configuration settings",
        }
    }
}
