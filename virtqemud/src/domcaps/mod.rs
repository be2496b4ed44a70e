//! The `<domainCapabilities>` document: what one QEMU binary can give a guest of one machine and
//! one kind, on this host (formatdomaincaps; the schema `domaincaps.rng`).
//!
//! Everything follows from the binary's capabilities and from what is told of the host
//! ([`Surroundings`]); nothing is looked up while it is written.

mod cpu;
mod devices;
mod document;
mod features;
mod os;
mod request;
mod surroundings;
#[cfg(test)]
mod tests;

pub use document::{DomainCapabilities, Enum, Section};
pub(crate) use features::write_sgx;
pub use request::{Request, accel_of};
pub use surroundings::Surroundings;

use virt_domain::{Arch, VirtType};

use crate::caps::{Accel, Machine, QemuCaps};

/// A binary, and how a guest would use it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The binary.
    pub caps: &'a QemuCaps,
    /// The guest's architecture, which may be a smaller one than the binary's.
    pub arch: Arch,
    /// The kind of guest.
    pub virt: VirtType,
    /// The machine.
    pub machine: &'a Machine,
}

impl Subject<'_> {
    /// The accelerator it would use.
    fn accel(&self) -> Accel {
        accel_of(self.virt)
    }

    /// Whether the architecture is x86.
    fn is_x86(&self) -> bool {
        self.arch.is_x86()
    }

    /// Whether the machine is one of PowerPC's paravirtual ones.
    fn is_pseries(&self) -> bool {
        self.arch.is_ppc64() && self.machine.name.starts_with("pseries")
    }
}

/// Writes the document.
pub fn describe(subject: &Subject, host: &Surroundings) -> DomainCapabilities {
    DomainCapabilities {
        path: subject.caps.emulator.clone(),
        domain: subject.virt.word().to_owned(),
        machine: subject.machine.name.clone(),
        arch: subject.arch.word().to_owned(),
        max_vcpus: max_vcpus(subject, host),
        os: os::describe(subject, host),
        cpu: cpu::describe(subject, host),
        memory_backing: Section::supported([Enum::new(
            "sourceType",
            ["file", "anonymous"].into_iter().chain(
                subject
                    .caps
                    .has(crate::caps::CapFlag::MemoryBackendMemfd)
                    .then_some("memfd"),
            ),
        )]),
        devices: devices::describe(subject, host),
        features: features::describe(subject, host),
    }
}

/// What the machine can have, and the kernel; `None` when neither says.
fn max_vcpus(subject: &Subject, host: &Surroundings) -> Option<u32> {
    let machine = Some(subject.machine.max_cpus).filter(|max| *max > 0)?;
    Some(match subject.accel() {
        Accel::Kvm => machine.min(host.kvm_max_vcpus.unwrap_or(machine)),
        Accel::Hvf | Accel::Tcg => machine,
    })
}
