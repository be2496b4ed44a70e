//! What a QEMU binary can do: asked over its monitor once, kept in a cache, looked up by everything
//! that builds or checks a guest.
//!
//! This module is pure: [`questions`] says what to ask, [`QemuCaps::from_sessions`] reads the
//! answers. Starting the binary is the prober's part. Facts: WIRE.md section 28.

mod cpu;
mod flags;
mod host_features;
mod machine;
pub mod questions;
mod retired;
mod schema;
mod session;
mod source;

pub use cpu::{CpuModel, CpuProperty, CpuValue, HostCpu, Usable};
pub(crate) use cpu::{expanded as expanded_cpu, models as cpu_models};
pub use flags::{CapFlag, CapFlags};
pub use host_features::{Gic, Hyperv, SevCaps, SgxCaps, SgxSection};
pub use machine::Machine;
pub use retired::is_retired;
pub use session::{Exchange, Session};

use serde::{Deserialize, Serialize};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Version of the cached form; a cache of another version is probed anew.
pub const CACHE_VERSION: u32 = 3;

/// The oldest QEMU that can be driven: 6.2.0, in the form of [`QemuCaps::version`].
pub const OLDEST_VERSION: u32 = 6_002_000;

/// What runs a guest's CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Accel {
    /// The kernel's virtual machine monitor.
    Kvm,
    /// macOS's.
    Hvf,
    /// QEMU's translator.
    Tcg,
}

impl Accel {
    /// QEMU's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Hvf => "hvf",
            Self::Tcg => "tcg",
        }
    }
}

/// What depends on the accelerator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccelCaps {
    /// Which one.
    pub accel: Accel,
    /// The machine types, default one first.
    pub machines: Vec<Machine>,
    /// The CPU models.
    pub cpus: Vec<CpuModel>,
    /// The most a guest's CPU can have on this host.
    pub host_cpu: Option<HostCpu>,
}

/// Everything known of one QEMU binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QemuCaps {
    /// Path of the binary.
    pub emulator: String,
    /// major × 1,000,000 + minor × 1,000 + micro.
    pub version: u32,
    /// The distribution's name of the build; may be empty.
    pub package: String,
    /// The architecture it emulates, by libvirt's name (`x86_64`, `i686`, …).
    pub arch: String,
    /// What it can do.
    pub flags: CapFlags,
    /// By accelerator, the fastest one first.
    pub accels: Vec<AccelCaps>,
    /// Hyper-V enlightenments that KVM offers on this host.
    pub hyperv: Option<Hyperv>,
    /// AMD's encrypted virtualisation, where the host has it.
    pub sev: Option<SevCaps>,
    /// Intel's enclaves, where the host has them.
    pub sgx: Option<SgxCaps>,
    /// Versions of Arm's interrupt controller.
    pub gic: Vec<Gic>,
}

impl QemuCaps {
    /// Reads the answers of the probe sessions: the first one, and the second one that ran without
    /// an accelerator when the first one had any. `hvf` says that macOS's accelerator worked.
    ///
    /// # Errors
    /// INTERNAL_ERROR when the binary didn't answer what every one answers, or is too old.
    pub fn from_sessions(
        emulator: &str,
        main: &Session,
        unaccelerated: Option<&Session>,
        hvf: bool,
    ) -> Result<Self> {
        let version = version(main).ok_or_else(|| broken(emulator, "query-version"))?;
        if version < OLDEST_VERSION {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                format!(
                    "QEMU version >= 6.2.0 is required, but {}.{}.{} found in {emulator}",
                    version / 1_000_000,
                    version / 1_000 % 1_000,
                    version % 1_000
                ),
            ));
        }
        let arch = main
            .target()
            .map(libvirt_arch)
            .ok_or_else(|| broken(emulator, "query-target"))?;
        let facts = source::Facts::new(main);
        let mut flags: CapFlags = CapFlag::ALL
            .iter()
            .copied()
            .filter(|flag| facts.show(flag.source()))
            .collect();
        flags.set(CapFlag::Hvf, hvf);

        let first = match (main.kvm_enabled(), hvf) {
            (true, _) => Accel::Kvm,
            (false, true) => Accel::Hvf,
            (false, false) => Accel::Tcg,
        };
        let mut accels = vec![accel_caps(first, main)];
        if let Some(session) = unaccelerated.filter(|_| first != Accel::Tcg) {
            accels.push(accel_caps(Accel::Tcg, session));
        }
        Ok(Self {
            emulator: emulator.to_owned(),
            version,
            package: main
                .reply("query-version")
                .and_then(|r| r.get("package")?.as_str())
                .unwrap_or_default()
                .to_owned(),
            arch: arch.to_owned(),
            flags,
            accels,
            hyperv: (first == Accel::Kvm)
                .then(|| host_features::hyperv(main))
                .flatten(),
            sev: host_features::sev(main),
            sgx: host_features::sgx(main),
            gic: host_features::gic(main),
        })
    }

    /// Whether the binary can do that.
    pub fn has(&self, flag: CapFlag) -> bool {
        self.flags.has(flag)
    }

    /// What depends on the accelerator; nothing when the binary can't use it here.
    pub fn accel(&self, accel: Accel) -> Option<&AccelCaps> {
        self.accels.iter().find(|a| a.accel == accel)
    }

    /// The fastest accelerator's facts.
    pub fn best_accel(&self) -> Option<&AccelCaps> {
        self.accels.first()
    }

    /// The machine type of that name or alias.
    pub fn machine(&self, accel: Accel, name: &str) -> Option<&Machine> {
        let machines = &self.accel(accel).or_else(|| self.best_accel())?.machines;
        machines
            .iter()
            .find(|m| m.name == name)
            .or_else(|| machines.iter().find(|m| m.alias.as_deref() == Some(name)))
    }

    /// The machine type a guest gets that names none.
    pub fn default_machine(&self, accel: Accel) -> Option<&Machine> {
        let machines = &self.accel(accel).or_else(|| self.best_accel())?.machines;
        machines.iter().find(|m| m.default)
    }

    /// Forgets the short names of machine types, so that `pc` stays `pc`.
    pub fn forget_machine_aliases(&mut self) {
        for machine in self.accels.iter_mut().flat_map(|a| &mut a.machines) {
            if let Some(alias) = machine.alias.take() {
                machine.name = alias;
            }
        }
    }
}

fn accel_caps(accel: Accel, session: &Session) -> AccelCaps {
    AccelCaps {
        accel,
        machines: machine::machines(session.reply("query-machines")),
        cpus: cpu::models(session.reply("query-cpu-definitions")),
        host_cpu: cpu::host_cpu(session, accel != Accel::Tcg),
    }
}

fn version(session: &Session) -> Option<u32> {
    let qemu = session.reply("query-version")?.get("qemu")?;
    let part = |key: &str| {
        let number = qemu.get(key)?.as_u64()?;
        u32::try_from(number).ok().filter(|n| *n < 1_000)
    };
    Some(part("major")? * 1_000_000 + part("minor")? * 1_000 + part("micro")?)
}

/// QEMU's and libvirt's names of architectures agree but for these.
fn libvirt_arch(target: &str) -> &str {
    match target {
        "i386" => "i686",
        "arm" => "armv7l",
        "or32" => "or32",
        other => other,
    }
}

fn broken(emulator: &str, command: &str) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Qemu,
        format!("Unable to probe '{emulator}': no usable reply to {command}"),
    )
}
