//! The host's side of an interface that comes while its guest runs: what a start makes for all of them,
//! for one.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::interface::Interface;
use virt_driver::audit::NetNode;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::{Opened, back_ends};
use crate::argv::{self, NetContext, Part};
use crate::caps::QemuCaps;
use crate::driver::Driver;
use crate::guest::{Belongings, Provisional};
use crate::passt;

/// What was made for it.
pub(crate) struct Made {
    /// The interface with its host's end.
    pub interface: Interface,
    /// What QEMU is to make.
    pub parts: Vec<Part>,
    /// What QEMU gets for that, by name.
    pub descriptors: Vec<(String, OwnedFd)>,
    /// What was opened.
    pub nodes: Vec<NetNode>,
    /// What goes with it.
    pub belongings: Provisional,
}

/// A guest of that interface alone: what is done to all interfaces of a guest is done to it.
fn alone(guest: &Domain, interface: Interface) -> Domain {
    let mut alone = Domain {
        name: guest.name.clone(),
        uuid: guest.uuid,
        id: guest.id,
        ..Domain::default()
    };
    alone.devices.interfaces.push(interface);
    alone
}

fn short_name(guest: &Domain) -> String {
    argv::short_name(guest.id.unwrap_or(-1), &guest.name)
}

/// Makes everything for an interface that is complete and has a name, but what QEMU makes. Blocks.
///
/// # Errors
/// What can't be had, by name; nothing is left behind then.
pub(crate) fn make(
    driver: &Arc<Driver>,
    guest: &Domain,
    interface: Interface,
    caps: &QemuCaps,
) -> Result<Made> {
    let mut belongings = Provisional::new();
    let mut alone = alone(guest, interface);
    back_ends::networks(driver, &mut alone, &mut belongings)?;
    let lost = || {
        let text = "the interface is lost";
        Error::new(ErrorCode::InternalError, ErrorDomain::Qemu, text)
    };
    let interface = alone.devices.interfaces.first().ok_or_else(lost)?;
    if interface.as_hostdev().is_some() {
        return Err(Error::new(
            ErrorCode::OperationUnsupported,
            ErrorDomain::Qemu,
            format!(
                "live attach of interface {}: its network lends a host device, which can't be given to \
                 a guest that runs",
                interface.mac_text()
            ),
        ));
    }
    let short_name = short_name(guest);
    start_passt(driver, &alone, &short_name, &mut belongings)?;
    let mut opened = Opened::by_monitor(back_ends::taps(&alone)?);
    let mut context = NetContext {
        short_name: &short_name,
        config: &driver.config,
        descriptors: &mut opened,
    };
    let parts = argv::hotplug_interface(guest, interface, caps, &mut context);
    back_ends::ends_belong(std::mem::take(&mut opened.ends), &mut belongings);
    let parts = parts?;
    back_ends::taps_made(&mut alone, &opened.names);
    back_ends::tie_filters(driver, &alone, &mut belongings)?;
    Ok(Made {
        interface: alone.devices.interfaces.pop().ok_or_else(lost)?,
        parts,
        descriptors: opened.take_named(),
        nodes: opened.net_nodes,
        belongings,
    })
}

fn start_passt(
    driver: &Arc<Driver>,
    alone: &Domain,
    short_name: &str,
    belongings: &mut Belongings,
) -> Result<()> {
    let state = &driver.folders.state;
    let account = driver.ownership.as_ref().map(|owner| owner.account());
    let numbers = account.map(|account| (account.owner.uid, account.owner.gid));
    // This thread may wait; the daemon's own drives the runtime.
    let runtime = tokio::runtime::Handle::current();
    runtime.block_on(passt::start(alone, state, short_name, numbers))?;
    let (driver, alone) = (Arc::clone(driver), alone.clone());
    let short_name = short_name.to_owned();
    belongings.at_end(move || passt::stop(&alone, &driver.folders.state, &short_name));
    Ok(())
}

/// What an interface of the guest has, however it came.
pub(crate) fn belongings_of(
    driver: &Arc<Driver>,
    guest: &Domain,
    interface: Interface,
) -> Belongings {
    let mut belongings = Belongings::default();
    let alone = alone(guest, interface);
    back_ends::belong(driver, &alone, &short_name(guest), &mut belongings);
    belongings
}
