//! Controllers that devices call for: as many of a kind as the highest number that a device names.

use super::Context;
use crate::board::Board;
use crate::defaults::default_scsi;
use std::collections::BTreeSet;
use std::collections::HashSet;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, DimmAddress};
use virt_domain::devices::chardev::{ChannelTarget, ConsoleType};
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_domain::devices::disk::DiskBus;
use virt_domain::devices::hostdev::HostdevKind;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Adds them.
pub(super) fn add(domain: &mut Domain, context: &Context) -> Result<()> {
    let scsi = default_scsi(Board::of(domain), context);
    for (bus, kind) in [
        (DiskBus::Scsi, ControllerKind::Scsi),
        (DiskBus::Fdc, ControllerKind::Fdc),
        (DiskBus::Ide, ControllerKind::Ide),
        (DiskBus::Sata, ControllerKind::Sata),
    ] {
        let highest = domain
            .devices
            .disks
            .iter()
            .filter(|d| d.bus() == bus)
            .filter_map(|d| d.info.address.as_ref()?.drive())
            .map(|a| a.controller)
            .max();
        let model = scsi.filter(|_| kind == ControllerKind::Scsi);
        up_to(domain, kind, model, highest);
    }
    let devices = &domain.devices;
    let virtio_serial = |address: &Option<Address>| match address {
        Some(Address::VirtioSerial(serial)) => Some(serial.controller),
        // One of another kind is not one of a port.
        _ => Some(0),
    };
    let channels = devices.channels.iter().filter_map(|c| match c.target {
        ChannelTarget::Virtio { .. } => virtio_serial(&c.info.address),
        _ => None,
    });
    let consoles = devices
        .consoles
        .iter()
        .filter(|c| c.kind == Some(ConsoleType::Virtio))
        .filter_map(|c| virtio_serial(&c.info.address));
    // Of these only the controllers that are named, and the first one for those that name none.
    let named: BTreeSet<u32> = channels.chain(consoles).collect();
    for index in named {
        one(domain, ControllerKind::VirtioSerial, None, index);
    }

    let highest = domain
        .devices
        .smartcards
        .iter()
        .map(|s| match &s.info.address {
            Some(Address::Ccid(ccid)) => ccid.controller,
            _ => 0,
        })
        .max();
    up_to(domain, ControllerKind::Ccid, None, highest);

    let highest = domain
        .devices
        .hostdevs
        .iter()
        .filter(|h| h.kind == HostdevKind::Scsi)
        .map(|h| {
            let address = h.info.address.as_ref().and_then(Address::drive);
            address.map_or(0, |a| a.controller)
        })
        .max();
    // Those of host devices are as the others of the guest.
    let usual = domain.devices.controllers.iter().rev();
    let usual = usual
        .filter(|c| c.kind == ControllerKind::Scsi)
        .find_map(|c| c.model)
        .filter(|model| *model != ControllerModel::Auto);
    let usual = usual.or(scsi);
    up_to(domain, ControllerKind::Scsi, usual, highest);
    Ok(())
}

fn up_to(
    domain: &mut Domain,
    kind: ControllerKind,
    model: Option<ControllerModel>,
    highest: Option<u32>,
) {
    let Some(highest) = highest else { return };
    // No bus has more; they are refused when their places are looked for.
    for index in 0..=highest.min(255) {
        one(domain, kind, model, index);
    }
}

/// Adds that controller unless it is there.
fn one(domain: &mut Domain, kind: ControllerKind, model: Option<ControllerModel>, index: u32) {
    let controllers = &mut domain.devices.controllers;
    if controllers.iter().any(|c| c.is(kind, index)) {
        return;
    }
    let mut new = Controller::new(kind, index);
    new.model = model;
    new.insert(controllers);
}

/// Gives every smart card a slot of a reader.
pub(super) fn place_smartcards(domain: &mut Domain) {
    for smartcard in &mut domain.devices.smartcards {
        smartcard
            .info
            .address
            .get_or_insert(Address::Ccid(Default::default()));
    }
}

/// Gives every memory device the lowest free slot.
///
/// # Errors
/// INTERNAL_ERROR when there are more devices than slots.
pub(super) fn place_memory(domain: &mut Domain) -> Result<()> {
    // Without any the devices are refused by another name.
    let Some(max) = &domain.max_memory else {
        return Ok(());
    };
    let slots = max.slots.unwrap_or(0);
    let mut taken: HashSet<u32> = domain
        .devices
        .memories
        .iter()
        .filter_map(|memory| memory.dimm()?.slot)
        .collect();
    let mut next = 0;
    for memory in &mut domain.devices.memories {
        if !memory.model.has_slot() || memory.dimm().is_some_and(|dimm| dimm.slot.is_some()) {
            continue;
        }
        while taken.contains(&next) {
            next += 1;
        }
        if next >= slots {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                "failed to find an empty memory slot",
            ));
        }
        taken.insert(next);
        let base = memory.dimm().and_then(|dimm| dimm.base);
        memory.info.address = Some(Address::Dimm(DimmAddress {
            slot: Some(next),
            base,
        }));
    }
    Ok(())
}
