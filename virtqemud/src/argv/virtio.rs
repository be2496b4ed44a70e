//! What all virtio devices have in common.

use super::props::Props;
use virt_domain::devices::address::Address;
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::virtio::{VirtioModel, VirtioOptions};
use virt_xml::OnOff;

/// A virtio device of that name for the bus it sits on, such as `virtio-blk-pci`.
pub(super) fn device(name: &str, model: Option<VirtioModel>, info: &DeviceInfo) -> Props {
    let bus = match &info.address {
        Some(Address::Ccw(_)) => "-ccw",
        Some(Address::VirtioMmio) => "-device",
        _ => "-pci",
    };
    let model = match model {
        Some(VirtioModel::VirtioTransitional) => "-transitional",
        Some(VirtioModel::VirtioNonTransitional) => "-non-transitional",
        Some(VirtioModel::Virtio) | None => "",
    };
    Props::device(format!("{name}{bus}{model}"))
}

impl Props {
    /// Adds the transport's options.
    #[must_use]
    pub(super) fn with_virtio(self, options: Option<&VirtioOptions>) -> Self {
        let Some(options) = options else {
            return self;
        };
        self.maybe("iommu_platform", options.iommu.map(OnOff::is_on))
            .maybe("ats", options.ats.map(OnOff::is_on))
            .maybe("packed", options.packed.map(OnOff::is_on))
            .maybe("page-per-vq", options.page_per_vq.map(OnOff::is_on))
    }
}
