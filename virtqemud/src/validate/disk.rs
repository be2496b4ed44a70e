//! Checks of disks against what QEMU and this driver can do.
//!
//! The texts of refusals are the stock daemon's, as watched; what only this driver lacks is named.

use super::Context;
use crate::aliases::is_narrow;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::controller::ControllerKind;
use virt_domain::devices::disk::{Disk, DiskBus, DiskCache, DiskDevice, DiskIo};
use virt_domain::devices::storage::{
    BackingStore, Location, NetworkProtocol, StorageFormat, StorageKind, StorageSource,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    virt_domain::devices::disk::check_all(&domain.devices.disks)?;
    for (at, disk) in domain.devices.disks.iter().enumerate() {
        bus(disk)?;
        medium(disk)?;
        driver(domain, disk)?;
        identity(disk)?;
        place(domain, at, disk)?;
        sources(disk)?;
        not_yet(disk)?;
        if disk.bus() == DiskBus::Usb && !context.caps.has(CapFlag::UsbStorage) {
            return Err(unsupported(
                "This QEMU doesn't support '-device usb-storage'",
            ));
        }
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
        other => {
            return Err(unsupported(format!(
                "disk '{}': disks on bus '{other}' are not supported by this driver; use virtio, \
                 scsi, sata, ide, usb or fdc",
                disk.name()
            )));
        }
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

fn medium(disk: &Disk) -> Result<()> {
    let bus = disk.bus();
    match disk.device {
        DiskDevice::Cdrom if bus == DiskBus::Virtio => {
            return Err(unsupported(format!(
                "disk type of '{}' does not support ejectable media",
                disk.name()
            )));
        }
        DiskDevice::Lun => {
            let raw_device = match disk.source.as_ref().map(|s| &s.location) {
                Some(Location::Block { .. } | Location::Volume { .. }) => true,
                Some(Location::Network(network)) => network.protocol == NetworkProtocol::Iscsi,
                _ => false,
            };
            if !raw_device {
                return Err(unsupported(
                    "disk device='lun' is only valid for block type disk source",
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
        }
        _ => {}
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

fn identity(disk: &Disk) -> Result<()> {
    if disk.wwn.is_some() && !matches!(disk.bus(), DiskBus::Ide | DiskBus::Scsi | DiskBus::Sata) {
        return Err(unsupported("Only ide and scsi disk support wwn"));
    }
    if let Some(serial) = &disk.serial
        && !serial
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-\\ .+,".contains(&b))
    {
        return Err(internal(format!(
            "driver serial '{serial}' contains unsafe characters"
        )));
    }
    if disk.geometry.is_some() && disk.bus() == DiskBus::Usb {
        return Err(unsupported("CHS geometry can not be set for 'usb' bus"));
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
        Address::Drive(_) => drives,
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

/// Every image of the disk, the one the guest writes to first.
fn images(disk: &Disk) -> Vec<(&StorageSource, Option<StorageFormat>)> {
    let mut all: Vec<_> = disk.source.iter().map(|s| (s, disk.format())).collect();
    let mut backing = disk.backing.as_ref();
    while let Some(BackingStore::Image(image)) = backing {
        let format = image.format.as_ref().map(|f| f.kind);
        all.extend(image.source.iter().map(|s| (s, format)));
        backing = image.backing.as_ref();
    }
    let stores: Vec<_> = all
        .iter()
        .filter_map(|(s, _)| s.data_store.as_ref()?.source.as_ref())
        .map(|s| (s, Some(StorageFormat::Raw)))
        .collect();
    all.extend(stores);
    all
}

fn sources(disk: &Disk) -> Result<()> {
    for (source, format) in images(disk) {
        match format {
            Some(StorageFormat::Iso) => {
                return Err(unsupported(
                    "storage format 'iso' is not directly supported by QEMU, use 'raw' instead",
                ));
            }
            Some(StorageFormat::Dir) if !matches!(source.location, Location::Dir { .. }) => {
                return Err(unsupported(
                    "'directory' storage format is not directly supported by QEMU, use 'dir' \
                     disk type instead",
                ));
            }
            Some(StorageFormat::Fat)
                if !matches!(
                    source.location,
                    Location::Dir { .. } | Location::Volume { .. }
                ) =>
            {
                return Err(unsupported(
                    "storage format 'fat' is supported only with 'dir' storage type",
                ));
            }
            Some(format @ (StorageFormat::Cow | StorageFormat::Aio)) => {
                return Err(unsupported(format!(
                    "'{format}' storage format is not supported"
                )));
            }
            _ => {}
        }
        if let Location::Network(network) = &source.location {
            let hosts = network.hosts.len();
            match network.protocol {
                NetworkProtocol::Iscsi if hosts != 1 => {
                    return Err(internal("iSCSI protocol accepts only one host"));
                }
                NetworkProtocol::Sheepdog | NetworkProtocol::Vxhs => {
                    return Err(unsupported(format!(
                        "'{}' protocol is not supported with this QEMU binary",
                        network.protocol
                    )));
                }
                NetworkProtocol::Rbd | NetworkProtocol::Gluster => {}
                protocol if hosts != 1 => {
                    return Err(internal(format!(
                        "protocol '{protocol}' accepts only one host"
                    )));
                }
                _ => {}
            }
        }
    }
    if matches!(disk.kind, StorageKind::Dir) && !disk.readonly {
        return Err(unsupported(
            "cannot create virtual FAT disks in read-write mode",
        ));
    }
    Ok(())
}

/// What would have to be done for the disk at its start and isn't yet.
fn not_yet(disk: &Disk) -> Result<()> {
    let refuse = |what: &str| {
        Err(unsupported(format!(
            "disk '{}': {what} not supported by this driver yet; remove it",
            disk.name()
        )))
    };
    if disk.transient.is_some() {
        return refuse("<transient/> is");
    }
    if disk.auth.is_some() {
        return refuse("<auth> is");
    }
    if disk.encryption.is_some() {
        return refuse("<encryption> is");
    }
    if disk.rawio == Some(YesNo::Yes) || disk.sgio.is_some() {
        return refuse("the attributes 'rawio' and 'sgio' are");
    }
    for (source, format) in images(disk) {
        if source.auth.is_some() {
            return refuse("<auth> is");
        }
        if source.encryption.is_some() || format == Some(StorageFormat::Luks) {
            return refuse("<encryption> is");
        }
        if source.reservations.is_some() {
            return refuse("<reservations> is");
        }
        match &source.location {
            Location::Volume { .. } => return refuse("type='volume' is"),
            Location::Nvme { .. } => return refuse("type='nvme' is"),
            Location::VhostVdpa { .. } => return refuse("type='vhostvdpa' is"),
            Location::File {
                fdgroup: Some(_), ..
            } => return refuse("the attribute 'fdgroup' is"),
            Location::Network(network) => {
                if network.cookies.is_some() {
                    return refuse("<cookies> is");
                }
                if network.tls == Some(YesNo::Yes) {
                    return refuse("tls='yes' is");
                }
                let ssh = network.protocol == NetworkProtocol::Ssh;
                let identity = network.identity.as_ref();
                if ssh
                    && (network.known_hosts.is_some()
                        || identity.is_some_and(|i| i.keyfile.is_some() || i.agentsock.is_some()))
                {
                    return refuse("<knownHosts> and keys of SSH are");
                }
            }
            _ => {}
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
