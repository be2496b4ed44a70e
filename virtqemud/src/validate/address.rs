//! Which kinds of addresses devices may have.
//!
//! The texts of refusals are the stock daemon's, as watched.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::chardev::SerialType;
use virt_domain::devices::disk::DiskBus;
use virt_domain::devices::hostdev::HostdevKind;
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::panic::PanicModel;
use virt_domain::devices::watchdog::WatchdogModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let hostdevs = &domain.devices.hostdevs;
    let detached = hostdevs
        .iter()
        .filter(|hostdev| hostdev.info.address == Some(Address::Unassigned))
        .count();
    let all = domain.devices.infos();
    let unassigned = all
        .iter()
        .filter(|info| info.address == Some(Address::Unassigned))
        .count();
    for info in all {
        board(domain, context, info)?;
    }
    disks(domain)?;
    if unassigned > detached {
        return Err(unsupported(
            "address of type 'unassigned' is supported only for hostdevs",
        ));
    }
    chardevs(domain)?;
    host_devices(domain)?;
    others(domain)
}

/// What the machine and the emulator have.
fn board(domain: &Domain, context: &Context, info: &DeviceInfo) -> Result<()> {
    // Their buses are looked at by kind.
    let mut disks = domain.devices.disks.iter();
    let of_disk = disks.any(|disk| std::ptr::eq(&disk.info, info) && disk.bus() != DiskBus::Scsi);
    match &info.address {
        Some(Address::Ccw(_)) if Board::of(domain) != Board::S390Ccw => {
            let machine = domain.os.kind.machine.as_deref().unwrap_or_default();
            Err(unsupported(format!(
                "CCW addresses are not supported by machine type '{machine}'"
            )))
        }
        Some(Address::Pci(pci)) if pci.zpci.is_some() && !context.caps.has(CapFlag::Zpci) => {
            Err(unsupported("This QEMU binary doesn't support zPCI"))
        }
        Some(Address::Drive(drive)) if drive.bus != 0 && !of_disk => Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Domain,
            "SCSI controller only supports 1 bus",
        )),
        _ => Ok(()),
    }
}

fn disks(domain: &Domain) -> Result<()> {
    for disk in &domain.devices.disks {
        let Some(address) = &disk.info.address else {
            continue;
        };
        let fits = matches!(
            address,
            Address::Pci(_) | Address::Ccw(_) | Address::VirtioMmio
        );
        if disk.bus() == DiskBus::Virtio && !fits {
            return Err(unsupported(format!(
                "virtio disk cannot have an address of type '{}'",
                address.word()
            )));
        }
    }
    Ok(())
}

fn chardevs(domain: &Domain) -> Result<()> {
    for serial in &domain.devices.serials {
        let Some(address) = &serial.info.address else {
            continue;
        };
        let (kind, wanted, fits) = match serial.target.kind {
            Some(SerialType::IsaSerial) => {
                ("isa-serial", "isa", matches!(address, Address::Isa(_)))
            }
            Some(SerialType::UsbSerial) => {
                ("usb-serial", "usb", matches!(address, Address::Usb(_)))
            }
            Some(SerialType::PciSerial) => {
                ("pci-serial", "pci", matches!(address, Address::Pci(_)))
            }
            Some(SerialType::IsaDebug) => ("isa-debug", "isa", matches!(address, Address::Isa(_))),
            Some(kind @ (SerialType::SystemSerial | SerialType::SclpSerial)) => {
                return Err(unsupported(format!(
                    "Target type '{kind}' cannot have an associated address"
                )));
            }
            _ => continue,
        };
        if !fits {
            return Err(unsupported(format!(
                "Target type '{kind}' requires address type '{wanted}'"
            )));
        }
    }
    for smartcard in &domain.devices.smartcards {
        if !matches!(smartcard.info.address, Some(Address::Ccid(_)) | None) {
            return Err(unsupported("Controllers must use the 'ccid' address type"));
        }
    }
    for redirdev in &domain.devices.redirdevs {
        if !matches!(redirdev.info.address, Some(Address::Usb(_)) | None) {
            return Err(xml_error("Invalid address for a USB device"));
        }
    }
    Ok(())
}

fn host_devices(domain: &Domain) -> Result<()> {
    for hostdev in &domain.devices.hostdevs {
        let Some(address) = &hostdev.info.address else {
            continue;
        };
        match hostdev.kind {
            HostdevKind::Pci if !matches!(address, Address::Pci(_) | Address::Unassigned) => {
                return Err(Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Qemu,
                    "PCI host devices must use 'pci' or 'unassigned' address type",
                ));
            }
            HostdevKind::Scsi if !matches!(address, Address::Drive(_)) => {
                return Err(unsupported(
                    "SCSI host device must use 'drive' address type",
                ));
            }
            HostdevKind::ScsiHost if !matches!(address, Address::Pci(_) | Address::Ccw(_)) => {
                return Err(unsupported(
                    "SCSI_host host device must use 'pci' or 'ccw' address type",
                ));
            }
            _ => {}
        }
        let on_pci = hostdev.kind == HostdevKind::Pci || matches!(address, Address::Pci(_));
        if !on_pci && hostdev.info.rom.is_some() {
            return Err(unsupported("ROM tuning is only supported for PCI devices"));
        }
    }
    Ok(())
}

fn others(domain: &Domain) -> Result<()> {
    let devices = &domain.devices;
    let on_pci = |info: &DeviceInfo| matches!(info.address, Some(Address::Pci(_)) | None);
    for watchdog in &devices.watchdogs {
        let placed = watchdog.info.address.is_some();
        match watchdog.model {
            WatchdogModel::Ib700 if placed => {
                return Err(unsupported(
                    "ib700 model of watchdog does not support configuring the address",
                ));
            }
            WatchdogModel::Itco if placed => {
                return Err(unsupported(
                    "itco model of watchdog is part of the machine and cannot have any address set.",
                ));
            }
            _ => {}
        }
        if watchdog.model == WatchdogModel::I6300esb && !on_pci(&watchdog.info) {
            return Err(unsupported(
                "i6300esb model of watchdog can go only on PCI bus",
            ));
        }
    }
    for panic in &devices.panics {
        let on_isa = matches!(panic.info.address, Some(Address::Isa(_)) | None);
        if panic.model == Some(PanicModel::Isa) && !on_isa {
            return Err(unsupported("panic is supported only with ISA address type"));
        }
        if panic.model == Some(PanicModel::Pvpanic) && !on_pci(&panic.info) {
            return Err(unsupported(
                "pvpanic is supported only with PCI address type",
            ));
        }
        let nowhere = matches!(
            panic.model,
            Some(PanicModel::Hyperv | PanicModel::Pseries | PanicModel::S390)
        );
        if let (true, Some(model), Some(_)) = (nowhere, panic.model, &panic.info.address) {
            return Err(unsupported(format!(
                "setting the panic device address is not supported for model '{model}'"
            )));
        }
    }
    if devices.pstore.as_ref().is_some_and(|p| !on_pci(&p.info)) {
        return Err(unsupported("ACPI ERST device must reside on a PCI bus"));
    }
    Ok(())
}
