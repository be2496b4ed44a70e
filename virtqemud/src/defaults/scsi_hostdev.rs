//! Defaults of SCSI units that are handed through.

use virt_domain::Domain;
use virt_domain::devices::address::{Address, DriveAddress};
use virt_domain::devices::controller::ControllerKind;
use virt_domain::devices::disk::DiskBus;
use virt_domain::devices::hostdev::{Hostdev, HostdevSource};

/// Units that are chosen on one controller: as many as the narrowest of them has.
const UNITS: u32 = 7;

/// Controllers that a guest can have of a kind.
const CONTROLLERS: u32 = 256;

/// Says which unit of an iSCSI target is meant, and gives every unit that has none an address: the
/// lowest that neither a disk nor another unit has.
pub(super) fn fill(domain: &mut Domain) {
    let devices = &mut domain.devices;
    for at in 0..devices.hostdevs.len() {
        if let HostdevSource::Iscsi { name, .. } = &mut devices.hostdevs[at].source
            && !name.contains('/')
        {
            name.push_str("/0");
        }
        if !is_scsi(&devices.hostdevs[at]) || devices.hostdevs[at].info.address.is_some() {
            continue;
        }
        let known = devices
            .controllers
            .iter()
            .filter(|c| c.kind == ControllerKind::Scsi)
            .map(|c| c.index());
        // Those there are come first, in their order; then a new one.
        let order: Vec<u32> = known.chain(0..CONTROLLERS).collect();
        let of_disks = devices
            .disks
            .iter()
            .map(|d| (d.bus() == DiskBus::Scsi, &d.info));
        let of_hostdevs = devices.hostdevs.iter().map(|h| (is_scsi(h), &h.info));
        let taken: Vec<DriveAddress> = of_disks
            .chain(of_hostdevs)
            .filter(|(is_scsi, _)| *is_scsi)
            .filter_map(|(_, info)| info.address.as_ref()?.drive().copied())
            .collect();
        let free = order.into_iter().find_map(|controller| {
            (0..UNITS)
                .map(|unit| DriveAddress {
                    controller,
                    unit,
                    ..DriveAddress::default()
                })
                .find(|address| !taken.contains(address))
        });
        devices.hostdevs[at].info.address = free.map(Address::Drive);
    }
}

fn is_scsi(hostdev: &Hostdev) -> bool {
    matches!(
        hostdev.source,
        HostdevSource::Scsi { .. } | HostdevSource::Iscsi { .. }
    )
}
