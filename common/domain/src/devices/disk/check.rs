//! What a disk may not say, by itself and beside others; for every driver alike.

use std::collections::{HashMap, HashSet};

use virt_error::Result;

use super::{
    Disk, DiskBus, DiskDevice, ErrorPolicy, Tray, index_of_name, internal, unsupported, wrong,
};
use crate::devices::storage::{Location, NetworkProtocol, StartupPolicy, StorageKind};

impl Disk {
    /// Checks the disk by itself.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(iotune) = &self.iotune {
            iotune.check()?;
        }
        if index_of_name(self.name()).is_none() && self.info.address.is_none() {
            return Err(wrong(format!(
                "Unknown disk name '{}' and no address specified",
                self.name()
            )));
        }
        let bus = self.bus();
        if self.target.tray == Some(Tray::Open)
            && !matches!(self.device, DiskDevice::Cdrom | DiskDevice::Floppy)
        {
            return Err(unsupported("tray is only valid for cdrom and floppy"));
        }
        let removable =
            bus == DiskBus::Usb || bus == DiskBus::Scsi && self.device == DiskDevice::Disk;
        if self.target.removable.is_some() && !removable {
            return Err(wrong("removable is only valid for usb or scsi disks"));
        }
        if self.device == DiskDevice::Floppy && bus != DiskBus::Fdc && self.target.bus.is_some() {
            return Err(internal(format!(
                "Invalid bus type '{bus}' for floppy disk"
            )));
        }
        let by_name = self.target.bus.is_none();
        if self.device == DiskDevice::Floppy && !self.target.dev.starts_with("fd") {
            return Err(internal(format!(
                "Invalid floppy device name: {}",
                self.name()
            )));
        }
        if self.device != DiskDevice::Floppy && bus == DiskBus::Fdc && by_name {
            return Err(internal(format!(
                "Invalid harddisk device name: {}",
                self.name()
            )));
        }
        if self.device != DiskDevice::Floppy && bus == DiskBus::Fdc {
            return Err(internal(format!("Invalid bus type '{bus}' for disk")));
        }
        if self.device != DiskDevice::Lun {
            if self.rawio.is_some() {
                return Err(wrong("rawio can be used only with device='lun'"));
            }
            if self.sgio.is_some() {
                return Err(wrong("sgio can be used only with device='lun'"));
            }
        }
        if self.driver.as_ref().and_then(|d| d.rerror_policy) == Some(ErrorPolicy::Enospace) {
            return Err(wrong(
                "Invalid value for attribute 'rerror_policy' in element 'driver': 'enospace'.",
            ));
        }
        self.check_vpd(bus)?;
        self.check_secrets()?;
        self.check_startup_policy()?;
        if let Some(encryption) = &self.encryption {
            encryption.check()?;
        }
        if self.auth.is_some() && self.source.as_ref().is_some_and(|s| s.auth.is_some()) {
            return Err(unsupported(
                "an <auth> definition already found for disk source",
            ));
        }
        if self.encryption.is_some() && self.source.as_ref().is_some_and(|s| s.encryption.is_some())
        {
            return Err(wrong(
                "encryption was found both in <disk> and in its <source>; keep one of them",
            ));
        }
        Ok(())
    }

    fn check_startup_policy(&self) -> Result<()> {
        let Some(policy) = self.source.as_ref().and_then(|s| s.startup_policy) else {
            return Ok(());
        };
        if !matches!(
            self.kind,
            StorageKind::File | StorageKind::Block | StorageKind::Dir | StorageKind::Volume
        ) {
            return Err(wrong(format!(
                "disk startupPolicy '{policy}' is not allowed for disk of '{}' type",
                self.kind
            )));
        }
        if policy == StartupPolicy::Requisite
            && !matches!(self.device, DiskDevice::Cdrom | DiskDevice::Floppy)
        {
            return Err(wrong(
                "disk startupPolicy 'requisite' is allowed only for cdrom or floppy",
            ));
        }
        Ok(())
    }

    fn check_secrets(&self) -> Result<()> {
        let Some(source) = &self.source else {
            return Ok(());
        };
        let Some(auth) = self.auth.as_ref().or(source.auth.as_ref()) else {
            return Ok(());
        };
        let kind = auth.secret.as_ref().and_then(|s| s.kind.as_deref());
        if !matches!(kind, Some("ceph" | "iscsi" | "volume" | "tls" | "vtpm")) {
            return Err(unsupported(format!(
                "unknown secret type '{}'",
                kind.unwrap_or("<null>")
            )));
        }
        let Location::Network(network) = &source.location else {
            return Ok(());
        };
        let wanted = match network.protocol {
            NetworkProtocol::Rbd => "ceph",
            NetworkProtocol::Iscsi => "iscsi",
            _ => return Ok(()),
        };
        match kind {
            Some(kind) if kind != wanted => {
                Err(unsupported(format!("invalid secret type '{kind}'")))
            }
            _ => Ok(()),
        }
    }

    fn check_vpd(&self, bus: DiskBus) -> Result<()> {
        let printable = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
        if let Some(vendor) = &self.vendor {
            if vendor.len() > 8 {
                return Err(unsupported("disk vendor is more than 8 characters"));
            }
            if !printable(vendor) {
                return Err(wrong("disk vendor is not printable string"));
            }
        }
        if let Some(product) = &self.product {
            // What an IDE drive calls its model may be longer.
            if product.len() > 16 && !matches!(bus, DiskBus::Ide | DiskBus::Sata) {
                return Err(unsupported("disk product is more than 16 characters"));
            }
            if !printable(product) {
                return Err(wrong("disk product is not printable string"));
            }
        }
        if self.vendor.is_some() && bus != DiskBus::Scsi {
            return Err(unsupported("Only scsi disk supports 'vendor'"));
        }
        if self.product.is_some() && !matches!(bus, DiskBus::Scsi | DiskBus::Ide | DiskBus::Sata) {
            return Err(unsupported(
                "Only ide, sata and scsi disk supports 'product'",
            ));
        }
        if let Some(wwn) = &self.wwn {
            let digits = wwn.strip_prefix("0x").unwrap_or(wwn);
            if digits.len() != 16 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(wrong(format!("malformed wwn: {wwn}")));
            }
        }
        Ok(())
    }
}

/// Checks the disks of a guest against each other.
///
/// # Errors
/// XML_ERROR for two disks of one name or with one WWN.
pub fn check_all(disks: &[Disk]) -> Result<()> {
    let mut names: HashMap<&str, &Disk> = HashMap::new();
    let mut wwns: HashSet<&str> = HashSet::new();
    for disk in disks {
        if let Some(earlier) = names.insert(disk.name(), disk) {
            return Err(wrong(format!(
                "target '{}' duplicated for disk sources '{}' and '{}'",
                disk.name(),
                earlier.shown_source(),
                disk.shown_source()
            )));
        }
        if disk.wwn.as_deref().is_some_and(|wwn| !wwns.insert(wwn)) {
            return Err(wrong("Disks have identical WWN"));
        }
    }
    Ok(())
}
