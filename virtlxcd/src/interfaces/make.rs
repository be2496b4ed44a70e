//! Makes a container's interfaces, and undoes what does not go with it.

use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::interface::{Interface, InterfaceType};
use virt_driver::done_off_thread;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_net::container::Inside;
use virt_net::{HostEnd, OfInterfaces, filters, network_ports};

use super::{check, lent, owns_network};
use crate::driver::Driver;
use crate::guest::{Container, Live};

/// Gives a container that is made, and whose init waits, its network. What was made is noted in the
/// description, also when not all could be: [`leave`] undoes that. Blocks.
///
/// # Errors
/// What can't be had, by name.
pub(crate) fn connect(driver: &Driver, container: &Container, domain: &mut Domain) -> Result<()> {
    if !owns_network(domain) {
        return Ok(());
    }
    network_ports::ask(&driver.neighbours, ErrorDomain::Lxc, domain)?;
    let namespace = container.network()?;
    let inside = Inside::of(namespace)?;
    inside.loopback()?;
    lent::lend(driver, namespace, domain)?;
    let uuid = domain.uuid;
    for interface in &mut domain.devices.interfaces {
        link(&inside, uuid, interface)?;
    }
    filters::tie(&driver.neighbours, domain)
}

/// Makes both ends of an interface and notes what they are called.
fn link(inside: &Inside<'_>, guest: uuid::Uuid, interface: &mut Interface) -> Result<()> {
    let end = HostEnd::of(interface, guest, ErrorDomain::Lxc)?;
    // What its network made of it may be something that can't be had.
    check::refuse(&interface.resolved())?;
    let end = end.ok_or_else(|| {
        Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Lxc,
            format!(
                "interface {}: its network lends a host device, which can't be given to a container",
                interface.mac_text()
            ),
        )
    })?;
    let mut ends = Vec::new();
    let made = end.make_in(inside, &mut ends).inspect_err(|_| {
        ends.drain(..).for_each(virt_net::End::undo);
    })?;
    if let Some(name) = made.link {
        interface.target.get_or_insert_default().dev = Some(name);
    }
    interface.guest.get_or_insert_default().actual = Some(made.inside);
    Ok(())
}

/// A container of that interface alone: what is done to all of a container's is done to it.
fn alone(container: &Domain, interface: Interface) -> Domain {
    let mut alone = Domain {
        name: container.name.clone(),
        uuid: container.uuid,
        ..Domain::default()
    };
    alone.devices.interfaces.push(interface);
    alone
}

/// Gives a container that runs one more interface, whose port is chosen. Blocks.
///
/// # Errors
/// What can't be had, by name; nothing is left of it then.
pub(crate) fn make_one(
    driver: &Driver,
    container: &Container,
    domain: &Domain,
    interface: Interface,
) -> Result<Interface> {
    let mut alone = alone(domain, interface);
    let made = connect(driver, container, &mut alone);
    let interface = alone.devices.interfaces.pop();
    match (made, interface) {
        (Ok(()), Some(interface)) => Ok(interface),
        (made, interface) => {
            alone.devices.interfaces.extend(interface);
            leave(driver, &alone);
            Err(made.err().unwrap_or_else(|| {
                let text = "the interface is lost";
                Error::new(ErrorCode::InternalError, ErrorDomain::Lxc, text)
            }))
        }
    }
}

/// Takes an interface from a container that runs. Blocks.
///
/// # Errors
/// OPERATION_FAILED when the container renamed what was to be taken, SYSTEM_ERROR.
pub(crate) fn remove_one(
    driver: &Driver,
    container: &Container,
    domain: &Domain,
    interface: Interface,
) -> Result<()> {
    if interface.resolved().kind() == InterfaceType::Direct {
        Inside::of(container.network()?)?.remove(&interface)?;
    }
    leave(driver, &alone(domain, interface));
    Ok(())
}

/// Undoes what a container that is gone, or could not be started, has on the host. Blocks.
pub(crate) fn leave(driver: &Driver, domain: &Domain) {
    lent::take_back(driver, domain);
    OfInterfaces::of_container(domain).undo(&driver.neighbours, &domain.name);
}

/// The same of a run that is over, or failed, off the daemon's thread. Links that share one of the host's
/// are taken away at once: the kernel, which takes its time, may refuse the next run until they are gone.
pub(crate) async fn left(driver: &Arc<Driver>, live: &Arc<Live>) {
    let (driver, live) = (Arc::clone(driver), Arc::clone(live));
    done_off_thread(move || {
        for interface in &live.domain.devices.interfaces {
            let direct = interface.resolved().kind() == InterfaceType::Direct;
            if direct && let Ok(network) = live.container.network() {
                // One that the container changed goes with the network.
                let _ = Inside::of(network).and_then(|inside| inside.remove(interface));
            }
        }
        leave(&driver, &live.domain);
    })
    .await;
}

/// The same of a container that ended while no daemon was there.
pub(crate) async fn left_unseen(driver: &Arc<Driver>, domain: &Arc<Domain>) {
    let (driver, domain) = (Arc::clone(driver), Arc::clone(domain));
    done_off_thread(move || leave(&driver, &domain)).await;
}
