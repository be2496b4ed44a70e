//! Defaults of SCSI units that are handed through.

use std::collections::HashSet;
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
    let of_disks = devices.disks.iter();
    let of_disks = of_disks.map(|d| (d.bus() == DiskBus::Scsi, &d.info));
    let of_hostdevs = devices.hostdevs.iter().map(|h| (is_scsi(h), &h.info));
    let taken: HashSet<DriveAddress> = of_disks
        .chain(of_hostdevs)
        .filter(|(is_scsi, _)| *is_scsi)
        .filter_map(|(_, info)| info.address.as_ref()?.drive().copied())
        .collect();
    let controllers = devices.controllers.iter();
    let known = controllers.filter(|c| c.kind == ControllerKind::Scsi);
    let known: Vec<u32> = known.map(|c| c.index()).collect();
    // Those there are come first, in their order; then a new one.
    let unit = |controller, unit| DriveAddress {
        controller,
        unit,
        ..DriveAddress::default()
    };
    let mut seen = HashSet::new();
    let mut free = known
        .into_iter()
        .chain(0..CONTROLLERS)
        .filter(|controller| seen.insert(*controller))
        .flat_map(|controller| (0..UNITS).map(move |number| unit(controller, number)))
        .filter(|address| !taken.contains(address));
    for hostdev in &mut devices.hostdevs {
        if let HostdevSource::Iscsi { name, .. } = &mut hostdev.source
            && !name.contains('/')
        {
            name.push_str("/0");
        }
        if is_scsi(hostdev) && hostdev.info.address.is_none() {
            hostdev.info.address = free.next().map(Address::Drive);
        }
    }
}

fn is_scsi(hostdev: &Hostdev) -> bool {
    matches!(
        hostdev.source,
        HostdevSource::Scsi { .. } | HostdevSource::Iscsi { .. }
    )
}
