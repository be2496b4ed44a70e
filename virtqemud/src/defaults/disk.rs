//! Defaults of disks: bus, format, what follows from the kind of drive, order, drive addresses.

use super::Context;
use super::controller::default_scsi;
use crate::board::Board;
use std::collections::HashMap;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, DriveAddress};
use virt_domain::devices::controller::ControllerModel;
use virt_domain::devices::disk::{
    Disk, DiskBus, DiskCache, DiskDevice, DiskSnapshot, Tray, index_of_name,
};
use virt_domain::devices::storage::{
    BackingStore, EncryptionEngine, HostTransport, Location, NetworkProtocol, StorageFormat,
    StorageKind, StorageSource,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    let board = Board::of(domain);
    virt_domain::devices::disk::check_all(&domain.devices.disks)?;
    sort(&mut domain.devices.disks);
    let runs = domain.id.is_some();
    for disk in &mut domain.devices.disks {
        drive(disk, runs);
    }
    // By the controllers that the machine gets by itself, whatever the guest's own are.
    let narrow = !matches!(
        default_scsi(board, context),
        Some(ControllerModel::VirtioScsi | ControllerModel::Ibmvscsi)
    );
    let devices = &mut domain.devices;
    let taken: Vec<DriveAddress> = devices
        .hostdevs
        .iter()
        .filter_map(|h| h.info.address.as_ref()?.drive().copied())
        .collect();
    for at in 0..devices.disks.len() {
        place(at, &mut devices.disks, narrow, &taken)?;
    }
    Ok(())
}

fn drive(disk: &mut Disk, runs: bool) {
    let bus = disk.bus();
    disk.target.bus = Some(bus);
    let empty = disk.is_empty();
    if disk.device == DiskDevice::Cdrom {
        disk.readonly = true;
    }
    if !runs {
        // Only a running guest has these.
        disk.mirror = None;
        disk.forget_nodes();
    }
    if disk.source.is_none()
        || empty && disk.kind == StorageKind::Network && disk.device == DiskDevice::Cdrom
    {
        disk.source = None;
        disk.kind = StorageKind::File;
    }
    let kind = disk.kind;
    if disk.target.tray == Some(Tray::Closed) {
        disk.target.tray = None;
    }
    // Nobody takes snapshots of what can't change.
    if disk.readonly && disk.snapshot == Some(DiskSnapshot::No) {
        disk.snapshot = None;
    }
    if matches!(kind, StorageKind::VhostUser) {
        disk.snapshot.get_or_insert(DiskSnapshot::No);
    }
    let driver = disk.driver_mut();
    driver.name.get_or_insert_with(|| "qemu".to_owned());
    if driver.format.is_none() {
        driver.format = match kind {
            // What a pool has is known when it is looked up.
            StorageKind::Volume => None,
            _ => Some(StorageFormat::Raw),
        };
    }
    if driver.format == Some(StorageFormat::Aio) {
        driver.format = Some(StorageFormat::Raw);
    }
    if driver.cache == Some(DiskCache::Default) {
        driver.cache = None;
    }
    if kind == StorageKind::VhostVdpa && driver.cache.is_none() {
        driver.cache = Some(DiskCache::None);
    }
    if let Some(encryption) = &mut disk.encryption {
        encryption.engine.get_or_insert(EncryptionEngine::Qemu);
    }
    if let Some(source) = &mut disk.source {
        source_defaults(source);
        // Which unit is meant.
        if let Location::Network(network) = &mut source.location
            && network.protocol == NetworkProtocol::Iscsi
            && let Some(name) = &mut network.name
            && !name.contains('/')
        {
            name.push_str("/0");
        }
    }
    let mut backing = disk.backing.as_mut();
    while let Some(BackingStore::Image(image)) = backing {
        if let Some(source) = &mut image.source {
            source_defaults(source);
        }
        backing = image.backing.as_mut();
    }
}

/// What a place leaves open.
fn source_defaults(source: &mut StorageSource) {
    ports(&mut source.location);
    if let Some(encryption) = &mut source.encryption {
        encryption.engine.get_or_insert(EncryptionEngine::Qemu);
    }
}

/// Ports of servers that are written down, so that they stay what they are.
pub(crate) fn ports(location: &mut Location) {
    let Location::Network(network) = location else {
        return;
    };
    for host in &mut network.hosts {
        // TCP goes without saying.
        host.transport = host.transport.filter(|used| *used != HostTransport::Tcp);
    }
    let port = match network.protocol {
        NetworkProtocol::Https => 443,
        NetworkProtocol::Http => 80,
        NetworkProtocol::Ftps => 990,
        NetworkProtocol::Ftp => 21,
        NetworkProtocol::Tftp => 69,
        NetworkProtocol::Nbd => 10809,
        NetworkProtocol::Iscsi => 3260,
        NetworkProtocol::Gluster => 24007,
        NetworkProtocol::Ssh => 22,
        NetworkProtocol::Vxhs => 9999,
        _ => return,
    };
    for host in &mut network.hosts {
        if host.socket.is_none() && host.transport.is_none() {
            host.port.get_or_insert(port);
        }
    }
}

/// Disks of a bus by the letters of their names, behind each other where the first of the bus was.
/// Disks whose bus follows from their name count as one bus, as they do to the stock daemon.
fn sort(disks: &mut [Disk]) {
    let mut groups: HashMap<Option<DiskBus>, usize> = HashMap::new();
    for disk in &*disks {
        let next = groups.len();
        groups.entry(disk.target.bus).or_insert(next);
    }
    disks.sort_by_cached_key(|disk| {
        let index = index_of_name(disk.name()).filter(|_| !disk.target.was_prefixed);
        (groups.get(&disk.target.bus).copied(), index)
    });
}

/// Where a drive sits follows from the letters of its name.
fn place(at: usize, disks: &mut [Disk], narrow: bool, taken: &[DriveAddress]) -> Result<()> {
    let bus = disks[at].bus();
    if disks[at].info.address.is_some() {
        return Ok(());
    }
    let Some(index) = index_of_name(disks[at].name()) else {
        return Ok(());
    };
    let address = match bus {
        DiskBus::Ide => DriveAddress {
            controller: index / 4,
            bus: index % 4 / 2,
            target: 0,
            unit: index % 2,
        },
        DiskBus::Sata => DriveAddress {
            controller: index / 6,
            unit: index % 6,
            ..DriveAddress::default()
        },
        DiskBus::Fdc => DriveAddress {
            controller: index / 2,
            unit: index % 2,
            ..DriveAddress::default()
        },
        DiskBus::Scsi => scsi(index, narrow),
        _ => return Ok(()),
    };
    if bus == DiskBus::Scsi && taken.contains(&address) {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Domain,
            format!(
                "using disk target name '{}' conflicts with SCSI host device address \
                 controller='{}' bus='{}' target='{}' unit='{}",
                disks[at].name(),
                address.controller,
                address.bus,
                address.target,
                address.unit
            ),
        ));
    }
    disks[at].info.address = Some(Address::Drive(address));
    Ok(())
}

fn scsi(index: u32, narrow: bool) -> DriveAddress {
    if narrow {
        return DriveAddress {
            controller: index / 7,
            unit: index % 7,
            ..DriveAddress::default()
        };
    }
    let unit = index % 15;
    DriveAddress {
        controller: index / 15,
        // Unit 7 is the controller's own.
        unit: if unit >= 7 { unit + 1 } else { unit },
        ..DriveAddress::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_of_a_bus_are_in_the_order_of_their_names() {
        let disk = |dev: &str, bus: &str| {
            let text = format!("<disk><source file='/a'/><target dev='{dev}'{bus}/></disk>");
            virt_xml::read::<Disk>(&text).unwrap().0
        };
        let order = |disks: &[(&str, &str)]| {
            let mut disks: Vec<_> = disks.iter().map(|(d, b)| disk(d, b)).collect();
            sort(&mut disks);
            disks
                .iter()
                .map(|d| d.name().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            order(&[("vdb", ""), ("hda", ""), ("vda", "")]),
            ["hda", "vda", "vdb"]
        );
        let (ide, virtio) = (" bus='ide'", " bus='virtio'");
        assert_eq!(
            order(&[("hdc", ide), ("vdb", virtio), ("hda", ide), ("vda", virtio)]),
            ["hda", "hdc", "vda", "vdb"]
        );
    }

    #[test]
    fn scsi_units_jump_over_the_controllers_own() {
        let units: Vec<_> = (0..17).map(|i| scsi(i, false)).collect();
        assert_eq!((units[6].unit, units[7].unit, units[14].unit), (6, 8, 15));
        assert_eq!((units[15].controller, units[15].unit), (1, 0));
        assert_eq!(scsi(7, true).controller, 1);
    }
}
