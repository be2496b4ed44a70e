//! Options of the virtio transport, the same at every virtio device's `<driver>`.

use virt_xml::{Element, OnOff, Words};

/// Flattened into `<driver>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct VirtioOptions {
    /// Goes through the guest's IOMMU.
    #[xml(attr)]
    pub iommu: Option<OnOff>,
    /// Address translation service.
    #[xml(attr)]
    pub ats: Option<OnOff>,
    /// Packed virtqueues.
    #[xml(attr)]
    pub packed: Option<OnOff>,
    /// A page of notifications for each queue.
    #[xml(attr)]
    pub page_per_vq: Option<OnOff>,
}

impl VirtioOptions {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which revisions of virtio a device speaks, where `model` says nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum VirtioModel {
    /// Left to the bus.
    Virtio,
    /// The old and the new one.
    VirtioTransitional,
    /// Only the new one.
    VirtioNonTransitional,
}
