//! Which devices a container may use, whatever nodes it makes or finds: those that every container has and
//! those of the host that it was given.

use std::collections::BTreeSet;
use std::path::Path;

use virt_cgroup::{Controller, DeviceRule, Placed};
use virt_domain::Domain;
use virt_domain::devices::storage::Location;
use virt_driver::off_thread;
use virt_error::Result;

use super::loop_device::{self, numbers};
use super::path;
use crate::guest::Live;

/// Major and minor number of what every container may use (the kernel's `devices.txt`), with why.
const USUAL: [(u32, Option<u32>, &str); 8] = [
    (1, Some(3), "null"),
    (1, Some(5), "zero"),
    (1, Some(7), "full"),
    (1, Some(8), "random"),
    (1, Some(9), "urandom"),
    (5, Some(0), "tty: its own terminal"),
    (5, Some(2), "ptmx: makes terminals, of its own devpts"),
    (136, None, "terminals of its own devpts"),
];

/// What a container of this description may use. A device that is gone from the host is left out. Looks at
/// the host: blocks.
pub fn allowed(domain: &Domain) -> BTreeSet<DeviceRule> {
    let usual = USUAL.iter().map(|(major, minor, _)| DeviceRule {
        block: false,
        major: *major,
        minor: *minor,
    });
    let devices = &domain.devices;
    let disks = devices.disks.iter().filter_map(|disk| {
        let place = disk.source.as_ref().map(|source| source.place());
        match place {
            Some(Location::Block { path }) => path.clone(),
            _ => loop_device::find(domain.uuid, disk.name()),
        }
    });
    let hostdevs = devices.hostdevs.iter();
    let hostdevs = hostdevs.filter_map(|hostdev| path(hostdev).ok().flatten());
    let given = disks.chain(hostdevs).filter_map(|path| {
        let (block, major, minor) = numbers(Path::new(&path)).ok()?;
        Some(DeviceRule {
            block,
            major,
            minor: Some(minor),
        })
    });
    usual.chain(given).collect()
}

/// Keeps a container that is made, and whose init waits, to its devices. Where the host has no such
/// controller nothing does.
///
/// # Errors
/// The group's.
pub async fn confine(live: &std::sync::Arc<Live>) -> Result<()> {
    let live = std::sync::Arc::clone(live);
    off_thread(move || match filtered(&live) {
        Some(placed) => placed.group().filter_devices(&allowed(&live.domain)),
        None => Ok(()),
    })
    .await
}

/// Keeps the running container, which had `before`, to what it has now. Blocks.
///
/// # Errors
/// The group's.
pub fn change(
    live: &Live,
    before: &BTreeSet<DeviceRule>,
    after: &BTreeSet<DeviceRule>,
) -> Result<()> {
    match filtered(live) {
        Some(placed) => placed.group().change_devices(before, after),
        None => Ok(()),
    }
}

fn filtered(live: &Live) -> Option<&Placed> {
    let placed = live.container.groups.as_deref()?;
    placed.group().has(Controller::Devices).then_some(placed)
}
