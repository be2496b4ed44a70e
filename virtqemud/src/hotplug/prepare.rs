//! What a device needs before QEMU may have it: a description that is complete, and, of a disk, its
//! files.

use std::path::Path;
use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::Devices;
use virt_domain::devices::controller::Controller;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::storage::Location;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::unsupported;
use crate::argv::block::Needs;
use crate::argv::{self, Part};
use crate::caps::QemuCaps;
use crate::define::Origin;
use crate::driver::Driver;
use crate::ownership::Given;
use crate::secrets::{MasterKey, Secrets};
use crate::start::secrets::{KeptSecrets, find_volume};
use crate::start::{Opened, check_disks, read_master_key};
use crate::storage;
use crate::{aliases, definitions};

/// The guest as it is to be, complete.
pub(super) struct Complete {
    /// The guest; the device in it has an address.
    pub domain: Box<Domain>,
    /// Controllers that come with the device.
    pub controllers: Vec<Controller>,
    /// What the guest's emulator can do.
    pub caps: Arc<QemuCaps>,
}

/// Fills a device in and checks it beside everything else that the guest has: `put` puts it there.
///
/// # Errors
/// As for a definition.
pub(super) async fn complete(
    driver: &Driver,
    live: &Domain,
    put: impl FnOnce(&mut Domain),
) -> Result<Complete> {
    let mut domain = Box::new(live.clone());
    domain.inactive();
    put(&mut domain);
    let (mut domain, caps) = definitions::complete(driver, domain, Origin::New).await?;
    let known = &live.devices.controllers;
    let mut controllers = std::mem::take(&mut domain.devices.controllers);
    controllers.retain(|new| !known.iter().any(|old| old.is(new.kind, new.index())));
    Ok(Complete {
        domain,
        controllers,
        caps,
    })
}

/// The disk of that name of a guest that is complete.
///
/// # Errors
/// INTERNAL_ERROR when it is not there.
pub(super) fn disk_of(domain: &mut Domain, name: &str) -> Result<Disk> {
    let disks = &mut domain.devices.disks;
    let place = disks.iter().position(|disk| disk.name() == name);
    Ok(disks.remove(place.ok_or_else(|| lost(name))?))
}

fn lost(name: &str) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Qemu,
        format!("disk '{name}' not found"),
    )
}

/// A guest of that disk alone: what is done to all disks of a guest is done to it.
fn alone(guest: &Domain, disk: Disk) -> Domain {
    Domain {
        name: guest.name.clone(),
        uuid: guest.uuid,
        id: guest.id,
        devices: Devices {
            disks: vec![disk],
            controllers: guest.devices.controllers.clone(),
            ..Devices::default()
        },
        ..Domain::default()
    }
}

/// Looks at the images of a disk and numbers them on from `last`. Blocks.
///
/// # Errors
/// What is missing, by name; what only a start can hand over.
pub(super) fn images(driver: &Driver, guest: &Domain, disk: Disk, last: &mut u32) -> Result<Disk> {
    let name = disk.name().to_owned();
    let place = disk.source.as_ref().map(|source| source.place());
    match place {
        Some(Location::VhostUser { .. } | Location::VhostVdpa { .. }) => {
            return Err(unsupported(format!(
                "disk '{name}': vhost-user and vDPA disks can't be attached to a guest that runs"
            )));
        }
        Some(Location::File {
            fdgroup: Some(_), ..
        }) => {
            return Err(unsupported(format!(
                "disk '{name}': descriptors of a client can't be given to a guest that runs"
            )));
        }
        _ => {}
    }
    if disk.transient.is_some() {
        return Err(unsupported(format!(
            "disk '{name}': transient disks can't be attached to a guest that runs"
        )));
    }
    let owner = match &driver.ownership {
        Some(ownership) => {
            let owner = ownership.account().owner;
            (owner.uid, owner.gid)
        }
        None => (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        ),
    };
    let mut alone = alone(guest, disk);
    let find = &mut |pool: &str, volume: &str| find_volume(&driver.neighbours, pool, volume);
    storage::volumes::resolve(&mut alone, true, find)?;
    storage::prepare(&mut alone, owner, true)?;
    check_disks(&alone, &driver.config)?;
    let mut disk = alone.devices.disks.pop().ok_or_else(|| {
        Error::new(
            ErrorCode::OperationFailed,
            ErrorDomain::Qemu,
            format!("the source of disk '{name}' is not there"),
        )
    })?;
    aliases::number_one(&mut disk, last);
    Ok(disk)
}

/// Gives the disk's files to QEMU's user and makes what QEMU is to be told. Blocks.
///
/// # Errors
/// What can't be given or expressed, and secrets that are missing.
pub(super) fn parts<T>(
    driver: &Driver,
    guest: &Domain,
    folder: &Path,
    disk: &Disk,
    build: impl FnOnce(&mut Needs) -> Result<T>,
) -> Result<(Given, T)> {
    let alone = alone(guest, disk.clone());
    let given = match &driver.ownership {
        Some(ownership) => ownership.give(&alone)?,
        None => Given::default(),
    };
    // A guest that was started without a key can have no secrets; then QEMU refuses them by name.
    let key = read_master_key(folder);
    let key = key.unwrap_or_else(|_| MasterKey::made_with(virt_domain::random));
    let mut opened = Opened::default();
    let sets = std::collections::HashMap::new();
    let mut lookup = KeptSecrets(&driver.neighbours);
    let mut secrets = Secrets::new(&mut lookup, key, virt_domain::random);
    let built = build(&mut Needs::of_hotplug(
        &driver.config,
        folder,
        &sets,
        &mut secrets,
        &mut opened,
    ));
    match built {
        Ok(built) => Ok((given, built)),
        Err(error) => {
            given.give_back();
            Err(error)
        }
    }
}

/// The disk as a whole.
///
/// # Errors
/// As [`parts`].
pub(super) fn whole(
    driver: &Driver,
    guest: &Domain,
    folder: &Path,
    caps: &QemuCaps,
    disk: &Disk,
) -> Result<(Given, Vec<Part>)> {
    parts(driver, guest, folder, disk, |needs| {
        argv::hotplug_disk(guest, disk, caps, needs)
    })
}

/// What of a disk's files was given to QEMU's user.
pub(super) fn given(driver: &Driver, guest: &Domain, disk: &Disk) -> Given {
    match &driver.ownership {
        Some(ownership) => ownership.given(&alone(guest, disk.clone())),
        None => Given::default(),
    }
}
