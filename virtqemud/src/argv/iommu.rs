//! Options of the IOMMU.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::{Props, on_off};
use virt_domain::Domain;
use virt_domain::devices::iommu::IommuModel;
use virt_error::Result;
use virt_xml::OnOff;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    let Some(iommu) = &domain.devices.iommu else {
        return Ok(());
    };
    let driver = match iommu.model {
        IommuModel::Intel => "intel-iommu",
        IommuModel::Virtio => "virtio-iommu",
        // Part of the machine.
        IommuModel::Smmuv3 => return Ok(()),
    };
    let d = &iommu.driver;
    let third = |value: Option<OnOff>| value.map(|v| on_off(v.is_on()));
    let props = Props::device(driver)
        .maybe("id", iommu.info.alias())
        .placed(domain, &iommu.info)?
        .maybe("intremap", third(d.intremap))
        .maybe("caching-mode", d.caching_mode.map(OnOff::is_on))
        .maybe("eim", third(d.eim))
        .maybe("device-iotlb", d.iotlb.map(OnOff::is_on))
        .maybe("aw-bits", d.aw_bits)
        .maybe("dma-translation", d.dma_translation.map(OnOff::is_on));
    b.device(&props);
    Ok(())
}
