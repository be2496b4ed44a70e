//! Checks of disks against what QEMU and this driver can do.
//!
//! The texts of refusals are the stock daemon's, as watched; what only this driver lacks is named.

use super::{Context, image};
use crate::aliases::is_narrow;
use crate::caps::CapFlag;
use std::collections::BTreeSet;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::controller::ControllerKind;
use virt_domain::devices::disk::{
    Disk, DiskBus, DiskCache, DiskDevice, DiskDriver, DiskIo, DiskSnapshot, IoTune, Sgio,
    index_of_name,
};
use virt_domain::devices::storage::{Location, NetworkProtocol, StorageFormat, StorageKind};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    virt_domain::devices::disk::check_all(&domain.devices.disks)?;
    limits(domain)?;
    for (at, disk) in domain.devices.disks.iter().enumerate() {
        bus(disk)?;
        medium(disk, context)?;
        driver(domain, disk)?;
        identity(disk)?;
        name(disk)?;
        place(domain, at, disk)?;
        image::check(disk, context)?;
        transient(disk)?;
        vhost_user(domain, disk)?;
        disk.iotune.as_ref().map_or(Ok(()), rates)?;
        if disk.sgio == Some(Sgio::Unfiltered) {
            return Err(unsupported("unfiltered sgio is no longer supported"));
        }
        if disk.bus() == DiskBus::Usb && !context.caps.has(CapFlag::UsbStorage) {
            return Err(unsupported(
                "This QEMU doesn't support '-device usb-storage'",
            ));
        }
    }
    Ok(())
}

/// Limits that QEMU can count with; lengths of bursts it looks at itself.
fn rates(tune: &IoTune) -> Result<()> {
    /// QEMU's `THROTTLE_VALUE_MAX`.
    const MOST: u64 = 1_000_000_000_000_000;
    let mut limits = tune.numbers().into_iter();
    let above = limits.any(|(name, value)| !name.ends_with("_length") && value > Some(MOST));
    match above {
        true => Err(Error::new(
            ErrorCode::ArgumentUnsupported,
            ErrorDomain::Qemu,
            format!("block I/O throttle limit must be no more than {MOST} using QEMU"),
        )),
        false => Ok(()),
    }
}

/// A disk is called like a disk, and not like a part of one.
fn name(disk: &Disk) -> Result<()> {
    let name = disk.name();
    if index_of_name(name).is_none() {
        return Err(unsupported(format!("invalid disk target '{name}'")));
    }
    if name.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(unsupported(format!(
            "invalid disk target '{name}', partitions can't appear in disk targets"
        )));
    }
    Ok(())
}

fn bus(disk: &Disk) -> Result<()> {
    match disk.bus() {
        DiskBus::Virtio
        | DiskBus::Scsi
        | DiskBus::Sata
        | DiskBus::Ide
        | DiskBus::Usb
        | DiskBus::Fdc => {}
        // Boards without a slot for one are refused when the guest is started.
        DiskBus::Sd => {}
        other => {
            return Err(unsupported(format!(
                "disk '{}': disks on bus '{other}' are not supported by this driver; use virtio, \
                 scsi, sata, ide, usb or fdc",
                disk.name()
            )));
        }
    }
    if disk.target.rotation_rate.is_some() && disk.device != DiskDevice::Disk {
        return Err(internal("rotation rate is only valid for disk device"));
    }
    if disk.target.rotation_rate.is_some()
        && !matches!(disk.bus(), DiskBus::Scsi | DiskBus::Ide | DiskBus::Sata)
    {
        return Err(internal(
            "rotation rate is only valid for SCSI/IDE/SATA bus",
        ));
    }
    if disk.model.is_some() && disk.bus() != DiskBus::Virtio {
        return Err(unsupported(format!(
            "disk model '{}' not supported for bus '{}'",
            disk.model.map(|m| m.word()).unwrap_or_default(),
            disk.bus()
        )));
    }
    Ok(())
}

fn medium(disk: &Disk, context: &Context) -> Result<()> {
    let bus = disk.bus();
    match disk.device {
        DiskDevice::Cdrom if matches!(bus, DiskBus::Virtio | DiskBus::Sd) => {
            return Err(unsupported(format!(
                "disk type of '{}' does not support ejectable media",
                disk.name()
            )));
        }
        DiskDevice::Disk if disk.readonly && matches!(bus, DiskBus::Ide | DiskBus::Sata) => {
            return Err(unsupported(format!(
                "readonly {bus} disks are not supported"
            )));
        }
        DiskDevice::Lun => {
            let inside = disk.source.as_ref().and_then(|s| s.encryption.as_ref());
            if disk.encryption.is_some() || inside.is_some() {
                return Err(unsupported("disk device 'lun' doesn't support encryption"));
            }
            match disk.source.as_ref().map(|s| &s.location) {
                Some(Location::Block { .. } | Location::Volume { .. }) => {}
                Some(Location::Network(network)) => {
                    if network.protocol != NetworkProtocol::Iscsi {
                        return Err(unsupported(format!(
                            "disk device='lun' is not supported for protocol='{}'",
                            network.protocol
                        )));
                    }
                }
                _ => {
                    return Err(unsupported(
                        "disk device='lun' is only valid for block type disk source",
                    ));
                }
            }
            if disk.wwn.is_some() {
                return Err(unsupported("Setting wwn is not supported for lun device"));
            }
            if disk.vendor.is_some() || disk.product.is_some() {
                return Err(unsupported(
                    "Setting vendor or product is not supported for lun device",
                ));
            }
            if !matches!(bus, DiskBus::Scsi | DiskBus::Virtio) {
                return Err(unsupported(format!(
                    "disk device='lun' is not supported for bus='{bus}'"
                )));
            }
            if disk.format() != Some(StorageFormat::Raw) {
                return Err(unsupported("disk device 'lun' must use 'raw' format"));
            }
            if bus == DiskBus::Virtio && !context.caps.has(CapFlag::VirtioBlkPciScsi) {
                return Err(unsupported(
                    "This QEMU doesn't support SCSI emulation with 'virtio-blk' device",
                ));
            }
        }
        _ => {}
    }
    if disk.readonly
        && disk.device == DiskDevice::Disk
        && matches!(bus, DiskBus::Ide | DiskBus::Sata)
    {
        return Err(unsupported(format!(
            "readonly {bus} disks are not supported"
        )));
    }
    if disk.is_empty() {
        if bus == DiskBus::Usb {
            return Err(unsupported("'usb' disk must not be empty"));
        }
        if matches!(disk.device, DiskDevice::Disk | DiskDevice::Lun) {
            return Err(Error::new(
                ErrorCode::NoSource,
                ErrorDomain::Domain,
                disk.name(),
            ));
        }
    }
    Ok(())
}

fn driver(domain: &Domain, disk: &Disk) -> Result<()> {
    let Some(driver) = &disk.driver else {
        return Ok(());
    };
    if let Some(name) = driver.name.as_ref().filter(|n| *n != "qemu") {
        return Err(unsupported(format!(
            "unsupported driver name '{name}' for disk '{}'",
            disk.name()
        )));
    }
    if driver.io == Some(DiskIo::Native)
        && !matches!(disk.cache(), Some(DiskCache::None | DiskCache::Directsync))
    {
        return Err(unsupported(
            "io='native' needs either no disk cache or directsync cache mode",
        ));
    }
    if driver.copy_on_read == Some(OnOff::On) && disk.readonly {
        return Err(unsupported(format!(
            "copy_on_read is not compatible with read-only disk '{}'",
            disk.name()
        )));
    }
    if driver.discard_no_unref == Some(OnOff::On) {
        if disk.format() != Some(StorageFormat::Qcow2) {
            return Err(unsupported(
                "'discard_no_unref' only works with qcow2 disk format",
            ));
        }
        if disk.readonly {
            return Err(unsupported(
                "'discard_no_unref' is not compatible with read-only disk",
            ));
        }
    }
    // Formats with tables of their own can't be written to by two guests.
    if disk.shareable && disk.format().is_some_and(|f| f != StorageFormat::Raw) {
        return Err(unsupported(format!(
            "shared access for disk '{}' requires use of supported storage format",
            disk.name()
        )));
    }
    let virtio = disk.bus() == DiskBus::Virtio;
    for (given, what) in [
        (driver.queues.is_some(), "queues"),
        (driver.queue_size.is_some(), "queue_size"),
    ] {
        if given && !virtio {
            return Err(unsupported(format!(
                "{what} attribute in disk driver element is only supported for virtio bus"
            )));
        }
    }
    if !virtio {
        if driver.event_idx.is_some() {
            return Err(unsupported(
                "disk event_idx mode supported only for virtio bus",
            ));
        }
        if driver.ioeventfd.is_some() {
            return Err(unsupported(
                "disk ioeventfd mode supported only for virtio bus",
            ));
        }
        if !driver.virtio.is_empty() {
            return Err(unsupported(
                "iommu driver option is only supported for virtio devices",
            ));
        }
        if driver.iothread.is_some() || driver.iothreads.is_some() {
            return Err(unsupported(format!(
                "IOThreads not available for bus {} target {}",
                disk.bus(),
                disk.name()
            )));
        }
    }
    if driver.iothread.is_some() && driver.iothreads.is_some() {
        return Err(unsupported(
            "iothread assignment via 'iothread' attribute and 'iothreads' element are exclusive",
        ));
    }
    queues_of_threads(driver)?;
    let several = driver
        .iothreads
        .iter()
        .flat_map(|m| &m.threads)
        .map(|t| t.id);
    for id in driver.iothread.into_iter().chain(several) {
        if !domain.iothread_ids().iter().any(|t| t.id == id) {
            return Err(unsupported(format!(
                "Disk iothread '{id}' not defined in iothreadid"
            )));
        }
    }
    Ok(())
}

/// Where threads are told their queues, each queue has one.
fn queues_of_threads(driver: &DiskDriver) -> Result<()> {
    let threads = driver.iothreads.iter().flat_map(|map| &map.threads);
    let mut seen = BTreeSet::new();
    for queue in threads.flat_map(|thread| &thread.queues) {
        if !seen.insert(queue.id) {
            return Err(unsupported(format!(
                "iothread queue '{}' is already assigned",
                queue.id
            )));
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    let missing = (0..driver.queues.unwrap_or(0)).find(|queue| !seen.contains(queue));
    match missing {
        Some(queue) => Err(unsupported(format!(
            "missing iothread mapping for queue '{queue}'"
        ))),
        None => Ok(()),
    }
}

fn identity(disk: &Disk) -> Result<()> {
    if disk.wwn.is_some() && !matches!(disk.bus(), DiskBus::Ide | DiskBus::Scsi) {
        return Err(unsupported("Only ide and scsi disk support wwn"));
    }
    if let Some(serial) = &disk.serial
        && !serial
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_- .+".contains(&b))
    {
        return Err(internal(format!(
            "driver serial '{serial}' contains unsafe characters"
        )));
    }
    let bus = disk.bus();
    let geometry = disk
        .geometry
        .filter(virt_domain::devices::disk::Geometry::is_whole);
    if geometry.is_some() && matches!(bus, DiskBus::Usb | DiskBus::Sd) {
        return Err(unsupported(format!(
            "CHS geometry can not be set for '{bus}' bus"
        )));
    }
    if bus == DiskBus::Sd && disk.serial.is_some() {
        return Err(internal("Serial property not supported for drive bus 'sd'"));
    }
    if bus == DiskBus::Sd && disk.iotune.as_ref().is_some_and(|t| t.limits()) {
        return Err(unsupported("<iotune> is not supported with bus='sd'"));
    }
    if geometry.is_some_and(|g| g.trans.is_some()) && disk.bus() != DiskBus::Ide {
        return Err(unsupported(format!(
            "CHS translation mode can only be set for 'ide' bus not '{}'",
            disk.bus()
        )));
    }
    Ok(())
}

fn place(domain: &Domain, at: usize, disk: &Disk) -> Result<()> {
    let bus = disk.bus();
    let drives = matches!(
        bus,
        DiskBus::Ide | DiskBus::Sata | DiskBus::Scsi | DiskBus::Fdc
    );
    let Some(address) = &disk.info.address else {
        return Ok(());
    };
    let fits = match address {
        // A card's reader has no place, and the stock daemon lets one be said.
        Address::Drive(_) => drives || bus == DiskBus::Sd,
        Address::Usb(_) => bus == DiskBus::Usb,
        _ => bus == DiskBus::Virtio,
    };
    if !fits {
        return Err(unsupported(format!(
            "Invalid address type '{}' for the disk '{}' with the bus type '{bus}'",
            address.word(),
            disk.name()
        )));
    }
    let Address::Drive(drive) = address else {
        return Ok(());
    };
    let taken = domain.devices.disks[..at].iter().find(|other| {
        other.bus() == bus && other.info.address.as_ref().and_then(Address::drive) == Some(drive)
    });
    if let Some(taken) = taken {
        return Err(unsupported(format!(
            "Found duplicate drive address for disk with target name '{}' controller='{}' \
             bus='{}' target='{}' unit='{}'",
            taken.name(),
            drive.controller,
            drive.bus,
            drive.target,
            drive.unit
        )));
    }
    if bus == DiskBus::Ide && drive.controller > 0 {
        return Err(internal("Only 1 IDE controller is supported"));
    }
    if bus == DiskBus::Fdc && drive.controller > 0 {
        return Err(internal("Only 1 fdc controller is supported"));
    }
    if bus == DiskBus::Scsi {
        let controllers = &domain.devices.controllers;
        let model = controllers
            .iter()
            .find(|c| c.is(ControllerKind::Scsi, drive.controller))
            .and_then(|c| c.model);
        if is_narrow(controllers, drive.controller) && drive.target != 0 {
            return Err(unsupported(format!(
                "target must be 0 for controller model '{}'",
                model.map(|m| m.word()).unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// What a disk that another process serves may not say: it is that process's.
fn vhost_user(domain: &Domain, disk: &Disk) -> Result<()> {
    if disk.kind != StorageKind::VhostUser {
        return Ok(());
    }
    if disk.bus() != DiskBus::Virtio {
        return Err(unsupported("vhostuser disk supports only virtio bus"));
    }
    if disk.snapshot != Some(DiskSnapshot::No) {
        return Err(unsupported(
            "only snapshot=no is supported with vhostuser disk",
        ));
    }
    let driver = disk.driver.clone().unwrap_or_default();
    for (said, what) in [
        (disk.encryption.is_some(), "encryption"),
        (disk.geometry.is_some(), "geometry"),
        (disk.iotune.as_ref().is_some_and(|t| t.limits()), "iotune"),
        (disk.blockio.is_some(), "blockio"),
        (disk.serial.is_some(), "serial"),
        (disk.wwn.is_some(), "wwn"),
        (disk.vendor.is_some(), "vendor"),
        (disk.product.is_some(), "product"),
        (driver.cache.is_some(), "cache"),
        (driver.error_policy.is_some(), "error_policy"),
        (driver.rerror_policy.is_some(), "rerror_policy"),
        (driver.io.is_some(), "io"),
        (driver.ioeventfd.is_some(), "ioeventfd"),
        (driver.copy_on_read.is_some(), "copy_on_read"),
        (driver.discard.is_some(), "discard"),
        (
            driver.iothread.is_some() || driver.iothreads.is_some(),
            "iothread",
        ),
        (driver.detect_zeroes.is_some(), "detect_zeroes"),
        (driver.metadata_cache.is_some(), "metadata_cache"),
        (disk.readonly, "readonly"),
        (disk.shareable, "shareable"),
        (disk.transient.is_some(), "transient"),
    ] {
        if said {
            return Err(unsupported(format!(
                "{what} is not supported with vhostuser disk"
            )));
        }
    }
    super::shared_memory::required(domain, "vhostuser")
}

/// What a guest writes that is dropped at its end.
fn transient(disk: &Disk) -> Result<()> {
    if disk.transient.is_none() {
        return Ok(());
    }
    let name = disk.name();
    if disk.readonly {
        return Err(unsupported(format!(
            "transient disk '{name}' must not be read-only"
        )));
    }
    if disk.kind != StorageKind::File {
        return Err(unsupported(format!(
            "transient disk supported only with 'file' type ({name})"
        )));
    }
    if disk.shares_backing()
        && !matches!(disk.bus(), DiskBus::Usb | DiskBus::Scsi | DiskBus::Virtio)
    {
        return Err(unsupported(format!(
            "disk bus '{}' doesn't support transiend disk backing image sharing",
            disk.bus()
        )));
    }
    Ok(())
}

/// Limits that disks share must be the same for all of them, and those that are named be there.
fn limits(domain: &Domain) -> Result<()> {
    let disks = &domain.devices.disks;
    let group = |disk: &Disk| disk.iotune.as_ref().and_then(|t| t.group_name.clone());
    for (at, disk) in disks.iter().enumerate() {
        if let Some(name) = group(disk) {
            let other = disks[..at]
                .iter()
                .find(|other| group(other).as_ref() == Some(&name) && other.iotune != disk.iotune);
            if let Some(other) = other {
                return Err(unsupported(format!(
                    "different iotunes for disks {} and {}",
                    other.name(),
                    disk.name()
                )));
            }
        }
        let groups = domain.throttlegroups.iter().flat_map(|g| &g.groups);
        let known: Vec<_> = groups.filter_map(|g| g.group_name.as_deref()).collect();
        let filters = disk.throttle_filters.iter().flat_map(|f| &f.filters);
        if let Some(filter) = filters.into_iter().find(|f| !known.contains(&&*f.group)) {
            return Err(Error::new(
                ErrorCode::XmlError,
                ErrorDomain::Domain,
                format!("throttle group '{}' not found", filter.group),
            ));
        }
    }
    Ok(())
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, text)
}

fn internal(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Domain, text)
}
