//! Defaults of the IOMMU: guests with more processors than interrupts can be sent to without one get
//! one.

use super::Context;
use crate::board::Board;
use virt_domain::Domain;
use virt_domain::devices::iommu::{Iommu, IommuModel};
use virt_domain::features::{Ioapic, IoapicDriver};
use virt_error::Result;
use virt_xml::OnOff;

/// Most processors that interrupts reach without extended destinations.
const WITHOUT_EXTENSION: u32 = 255;

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    let many = domain.vcpu.max > WITHOUT_EXTENSION;
    if !context.is_new() || Board::of(domain) != Board::Q35 {
        return Ok(());
    }
    if !many {
        let iommu = domain.devices.iommu.as_ref();
        let remaps = iommu.is_some_and(|iommu| {
            iommu.model == IommuModel::Intel && iommu.driver.intremap == Some(OnOff::On)
        });
        if remaps {
            emulate_ioapic(domain);
        }
        return Ok(());
    }
    let iommu = domain
        .devices
        .iommu
        .get_or_insert_with(|| Iommu::new(IommuModel::Intel));
    if iommu.model == IommuModel::Intel {
        iommu.driver.intremap.get_or_insert(OnOff::On);
        iommu.driver.eim.get_or_insert(OnOff::On);
        emulate_ioapic(domain);
    }
    Ok(())
}

/// Interrupts can be remapped only where QEMU has the I/O APIC.
fn emulate_ioapic(domain: &mut Domain) {
    let features = domain.features.get_or_insert_default();
    features.ioapic.get_or_insert(Ioapic {
        driver: Some(IoapicDriver::Qemu),
    });
}
