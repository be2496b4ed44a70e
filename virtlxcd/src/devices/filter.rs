//! Which devices a container may use, whatever nodes it makes or finds: those that every container has and
//! those of the host that it was given.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use virt_cgroup::{Controller, DeviceRule, Placed};
use virt_domain::Domain;
use virt_domain::devices::storage::Location;
use virt_driver::audit::{Auditor, Devices, Subject};
use virt_driver::off_thread;
use virt_error::Result;
use virt_rpc::protocol::audit::Audit;

use super::loop_device::{self, numbers};
use super::path;
use crate::controller::devices::NODES;
use crate::guest::Live;
use crate::plan::Node;

/// Terminals of a container's own devpts: what makes them, and all of them.
const PTMX: (&str, u32, u32) = ("ptmx", 5, 2);
const PTY: (u32, &str) = (136, "pty");

/// What every container may use beside its terminals: name, major and minor number.
fn usual() -> impl Iterator<Item = (&'static str, u32, u32)> {
    NODES.into_iter().chain([PTMX])
}

/// What every container may use, and these.
fn with_usual(given: impl Iterator<Item = DeviceRule>) -> BTreeSet<DeviceRule> {
    let rule = |major, minor| DeviceRule {
        block: false,
        major,
        minor,
    };
    let usual = usual().map(|(_, major, minor)| rule(major, Some(minor)));
    let terminals = [rule(PTY.0, None)];
    usual.chain(terminals).chain(given).collect()
}

/// What a container of this description may use. A device that is gone from the host is left out. Looks at
/// the host: blocks.
pub fn allowed(domain: &Domain) -> BTreeSet<DeviceRule> {
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
    with_usual(given)
}

/// Keeps a container that is made, and whose init waits, to its devices, of which `given` are those of the
/// host. Where the host has no such controller nothing does.
///
/// # Errors
/// The group's.
pub async fn confine(auditor: &Auditor, live: &Arc<Live>, given: &[Node]) -> Result<()> {
    let Some(folder) = folder(live) else {
        return Ok(());
    };
    let from = Arc::clone(live);
    let allowed = with_usual(given.iter().map(Node::rule));
    let confined = off_thread(move || match filtered(&from) {
        Some(placed) => placed.group().filter_devices(&allowed),
        None => Ok(()),
    })
    .await;
    let success = confined.is_ok();
    auditor.tell(&Subject::from(&*live.domain), |subject| {
        let mut records = vec![subject.confined(&folder, Devices::All, false, success)];
        records.extend(usual().map(|(name, major, minor)| {
            let at = Path::new("/dev").join(name);
            let device = Devices::At(&at, major, minor);
            subject.confined(&folder, device, true, success)
        }));
        let terminals = Devices::Driver(PTY.0, PTY.1);
        records.push(subject.confined(&folder, terminals, true, success));
        records.extend(told(subject, live, given, true, success));
        records
    });
    confined
}

/// The records of devices of the host that a container may use from now on, or not any more.
pub fn told(
    subject: &Subject,
    live: &Live,
    nodes: &[Node],
    allowed: bool,
    success: bool,
) -> Vec<Audit> {
    let Some(folder) = folder(live) else {
        return Vec::new();
    };
    let records = nodes.iter().map(|node| {
        let at = Path::new("/dev").join(&node.path);
        let device = Devices::At(&at, node.major, node.minor);
        subject.confined(&folder, device, allowed, success)
    });
    records.collect()
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

fn folder(live: &Live) -> Option<PathBuf> {
    let folder = filtered(live)?.group().devices_folder()?;
    Some(folder.to_owned())
}
