//! What guests a driver can run.

use virt_xml::{Element, OnOff, YesNo};

/// A kind of guest.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Guest {
    /// `hvm`, `exe`.
    #[xml(child_text)]
    pub os_type: String,
    /// On what.
    #[xml(child)]
    pub arch: Arch,
    /// What it can have.
    #[xml(child)]
    pub features: Option<GuestFeatures>,
}

/// An architecture.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Arch {
    /// Its name.
    #[xml(attr)]
    pub name: String,
    /// 32 or 64.
    #[xml(child_text)]
    pub wordsize: u32,
    /// The program that runs it.
    #[xml(child_text)]
    pub emulator: Option<String>,
    /// The machines there are.
    #[xml(child = "machine")]
    pub machines: Vec<Machine>,
    /// The ways to run them.
    #[xml(child = "domain")]
    pub domains: Vec<DomainType>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Machine {
    /// The name it stands for.
    #[xml(attr)]
    pub canonical: Option<String>,
    /// How many CPUs it can have.
    #[xml(attr = "maxCpus")]
    pub max_cpus: Option<u32>,
    /// `yes` when its use is discouraged.
    #[xml(attr)]
    pub deprecated: Option<YesNo>,
    /// Its name.
    #[xml(text)]
    pub name: String,
}

/// A way to run guests.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct DomainType {
    /// `qemu`, `kvm`, `lxc`.
    #[xml(attr = "type")]
    pub kind: String,
}

/// What guests can have.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct GuestFeatures {
    /// Physical address extension.
    #[xml(flag)]
    pub pae: bool,
    /// No physical address extension.
    #[xml(flag)]
    pub nonpae: bool,
    /// Power management tables.
    #[xml(child)]
    pub acpi: Option<Toggle>,
    /// An interrupt controller per CPU.
    #[xml(child)]
    pub apic: Option<Toggle>,
    /// A choice of CPU models.
    #[xml(flag)]
    pub cpuselection: bool,
    /// A boot order of devices.
    #[xml(flag)]
    pub deviceboot: bool,
    /// Snapshots of disks.
    #[xml(child)]
    pub disksnapshot: Option<Toggle>,
    /// External snapshots are complete.
    #[xml(flag = "externalSnapshot")]
    pub external_snapshot: bool,
}

/// Something with a default.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Toggle {
    /// How it is when nothing is said.
    #[xml(attr)]
    pub default: OnOff,
    /// Whether that can be changed.
    #[xml(attr)]
    pub toggle: YesNo,
}
