//! Checks of the IOMMU against what QEMU and this driver can do.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::iommu::IommuModel;
use virt_error::Result;
use virt_xml::OnOff;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let Some(iommu) = &domain.devices.iommu else {
        return Ok(());
    };
    let model = iommu.model;
    if model != IommuModel::Virtio && iommu.info.address.is_some() {
        return Err(xml_error(format!(
            "iommu model '{model}' can't have address"
        )));
    }
    let board = Board::of(domain);
    let flag = match model {
        IommuModel::Intel => {
            if board != Board::Q35 {
                return Err(unsupported(
                    "IOMMU device: 'intel' is only supported with Q35 machines",
                ));
            }
            CapFlag::IntelIommu
        }
        IommuModel::Smmuv3 => {
            if board != Board::ArmVirt {
                return Err(unsupported(
                    "IOMMU device: 'smmuv3' is only supported with ARM Virt machines",
                ));
            }
            CapFlag::MachineVirtIommu
        }
        IommuModel::Virtio => {
            if !matches!(board, Board::Q35 | Board::ArmVirt) {
                return Err(unsupported(
                    "IOMMU device: 'virtio' is only supported with Q35 and ARM Virt machines",
                ));
            }
            if !matches!(iommu.info.address, None | Some(Address::Pci(_))) {
                return Err(unsupported("IOMMU device: 'virtio' needs a PCI address"));
            }
            if !domain.features.as_ref().is_some_and(|f| f.acpi) {
                return Err(unsupported("IOMMU device: 'virtio' requires ACPI"));
            }
            CapFlag::VirtioIommuPci
        }
    };
    if !context.caps.has(flag) {
        return Err(unsupported(format!(
            "IOMMU device: '{model}' is not supported with this QEMU binary"
        )));
    }
    let is_on = |state: Option<OnOff>| state.is_some_and(OnOff::is_on);
    if is_on(iommu.driver.eim) && !is_on(iommu.driver.intremap) {
        return Err(unsupported(
            "IOMMU eim requires interrupt remapping to be enabled",
        ));
    }
    Ok(())
}
