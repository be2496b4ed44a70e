//! The controllers that guests are kept by.

/// A resource that the kernel controls by group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// Processor time.
    Cpu,
    /// Its accounting.
    Cpuacct,
    /// Which processors and memory nodes.
    Cpuset,
    /// Memory.
    Memory,
    /// Which device nodes may be opened.
    Devices,
    /// Stopping all of a group.
    Freezer,
    /// Block devices.
    Blkio,
    /// Marks on network packets; version 1 only.
    NetCls,
    /// Performance counters by group.
    PerfEvent,
    /// systemd's own hierarchy of version 1: it controls nothing.
    Systemd,
}

impl Controller {
    /// All of them, in the order in which libvirt tells them.
    pub const ALL: [Self; 10] = [
        Self::Cpu,
        Self::Cpuacct,
        Self::Cpuset,
        Self::Memory,
        Self::Devices,
        Self::Freezer,
        Self::Blkio,
        Self::NetCls,
        Self::PerfEvent,
        Self::Systemd,
    ];

    /// The name, which is the kernel's of version 1.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Memory => "memory",
            Self::Devices => "devices",
            Self::Freezer => "freezer",
            Self::Blkio => "blkio",
            Self::NetCls => "net_cls",
            Self::PerfEvent => "perf_event",
            Self::Systemd => "name=systemd",
        }
    }

    /// The controller of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// What version 2 calls it in `cgroup.controllers`, where it is one that has to be enabled.
    pub const fn unified_name(self) -> Option<&'static str> {
        match self {
            Self::Cpu => Some("cpu"),
            Self::Cpuset => Some("cpuset"),
            Self::Memory => Some("memory"),
            Self::Blkio => Some("io"),
            _ => None,
        }
    }

    /// Whether every group of version 2 has it: time is counted in each (`cpu.stat`), and device
    /// access is filtered by a program that is attached to one.
    pub const fn is_implied_by_unified(self) -> bool {
        matches!(self, Self::Cpuacct | Self::Devices)
    }

    /// Whether threads of one process can be told apart by it: those that version 2 knows as
    /// threaded, and the accounting of version 1.
    pub const fn is_threaded(self) -> bool {
        matches!(self, Self::Cpu | Self::Cpuacct | Self::Cpuset)
    }

    /// Whether guests are put into groups of it. The hierarchy of systemd is its own to arrange.
    pub const fn holds_guests(self) -> bool {
        !matches!(self, Self::Systemd)
    }
}
