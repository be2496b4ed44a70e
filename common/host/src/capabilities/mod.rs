//! The `<capabilities>` document: what the host is and what guests it can run.
//!
//! The types are the document's elements in its order (formatcaps; the schema `capability.rng`);
//! reading `/sys` into them is in the file of each part. What a driver can run is added by it as
//! [`Guest`]s.

mod cache;
mod cpu;
mod document;
mod guest;
mod hmat;
mod memory_bandwidth;
mod power;
mod resctrl;
mod size;
mod topology;

pub use cache::{Bank, Caches, Control, Monitor, MonitorFeature};
pub use cpu::{
    Counter, CpuTopology, Feature, HostCpu, MaxPhysAddr, Microcode, SignatureElement, physical_bits,
};
pub use document::{Capabilities, HostCapabilities, Iommu, Migration, SecModel, Transports};
pub use guest::{Arch, DomainType, Guest, GuestFeatures, Machine, Toggle};
pub use hmat::{Interconnects, MemorySideCache};
pub use memory_bandwidth::{BandwidthNode, MemoryBandwidth};
pub use power::PowerManagement;
pub use size::{Kib, PageSize};
pub use topology::{Cell, Cells, NodeMemory, Topology};

#[cfg(test)]
mod tests;

use virt_xml::Words;

/// Where the host's UUID comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Words)]
pub enum UuidSource {
    /// The firmware's tables.
    #[default]
    Smbios,
    /// `/etc/machine-id`.
    MachineId,
}
