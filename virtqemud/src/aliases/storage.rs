//! Names of disks, controllers, file systems, host devices and memory devices.
//!
//! Facts: WIRE.md section 30; live XML of the stock daemon.

use crate::board::Board;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, DriveAddress};
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_domain::devices::disk::{Disk, DiskBus, index_of_name};
use virt_domain::devices::interface::InterfaceSource;
use virt_domain::devices::memory::MemoryModel;
use virt_error::Result;

/// Names those of them that have no name.
pub(crate) fn assign(domain: &mut Domain) -> Result<()> {
    let board = Board::of(domain);
    let devices = &mut domain.devices;
    for controller in &mut devices.controllers {
        let alias = controller_alias(board, controller);
        controller.info.name(|| alias);
    }
    for disk in &mut devices.disks {
        let alias = disk_alias(disk, &devices.controllers);
        disk.info.name(|| alias);
    }
    for (index, filesystem) in devices.filesystems.iter_mut().enumerate() {
        filesystem.info.name(|| format!("fs{index}"));
    }
    // In the order of `host_devices::all`.
    let (mut cards, mut given) = (Vec::new(), Vec::new());
    for interface in &mut devices.interfaces {
        if interface.as_hostdev().is_some() {
            match interface.source {
                InterfaceSource::Network(_) => given.push(&mut interface.info),
                _ => cards.push(&mut interface.info),
            }
        }
    }
    let others = devices.hostdevs.iter_mut().map(|hostdev| &mut hostdev.info);
    let all = cards.into_iter().chain(others).chain(given);
    super::devices::number("hostdev", all);
    // Where a device has a slot, its number is the slot's, so that it stays when others go.
    let mut spare = [0u32; 5];
    for memory in &mut devices.memories {
        let (word, count) = match memory.model {
            MemoryModel::Dimm => ("dimm", &mut spare[0]),
            MemoryModel::Nvdimm => ("nvdimm", &mut spare[1]),
            MemoryModel::VirtioPmem => ("virtiopmem", &mut spare[2]),
            MemoryModel::VirtioMem => ("virtiomem", &mut spare[3]),
            MemoryModel::SgxEpc => ("epc", &mut spare[4]),
        };
        let number = match &memory.info.address {
            Some(Address::Dimm(dimm)) => dimm.slot.unwrap_or(*count),
            _ => *count,
        };
        *count += 1;
        memory.info.name(|| format!("{word}{number}"));
    }
    Ok(())
}

fn controller_alias(board: Board, controller: &Controller) -> String {
    let index = controller.index();
    match controller.kind {
        ControllerKind::Pci if controller.has_model(ControllerModel::PcieRoot) => {
            format!("pcie.{index}")
        }
        ControllerKind::Pci => format!("pci.{index}"),
        // What the board brings along has QEMU's own name.
        ControllerKind::Ide if index == 0 && board.has_builtin_ide() => "ide".to_owned(),
        ControllerKind::Sata if index == 0 && board == Board::Q35 => "ide".to_owned(),
        ControllerKind::Usb if index == 0 => "usb".to_owned(),
        kind => format!("{kind}{index}"),
    }
}

/// The name a disk gets that has none.
pub(crate) fn disk_alias(disk: &Disk, controllers: &[Controller]) -> String {
    let DriveAddress {
        controller,
        bus,
        target,
        unit,
    } = disk
        .info
        .address
        .as_ref()
        .and_then(Address::drive)
        .copied()
        .unwrap_or_default();
    let index = index_of_name(disk.name()).unwrap_or(0);
    match disk.bus() {
        DiskBus::Scsi if has_short_names(controllers, controller) => {
            format!("scsi{controller}-{bus}-{unit}")
        }
        DiskBus::Scsi => format!("scsi{controller}-{bus}-{target}-{unit}"),
        DiskBus::Ide | DiskBus::Fdc | DiskBus::Sata => {
            format!("{}{controller}-{bus}-{unit}", disk.bus())
        }
        other => format!("{other}-disk{index}"),
    }
}

/// Whether the names of a SCSI controller's disks leave the unit out.
fn has_short_names(controllers: &[Controller], index: u32) -> bool {
    let plugged = [ControllerModel::Dc390, ControllerModel::Am53c974];
    is_narrow(controllers, index)
        && !controllers
            .iter()
            .any(|c| c.is(ControllerKind::Scsi, index) && plugged.map(Some).contains(&c.model))
}

/// Whether a SCSI controller knows targets only, no units.
pub(crate) fn is_narrow(controllers: &[Controller], index: u32) -> bool {
    controllers
        .iter()
        .find(|c| c.is(ControllerKind::Scsi, index))
        .is_some_and(|c| {
            matches!(
                c.model,
                Some(
                    ControllerModel::Lsilogic
                        | ControllerModel::Ncr53c90
                        | ControllerModel::Dc390
                        | ControllerModel::Am53c974
                )
            )
        })
}
