//! Links of the host that a container has while it runs: they are moved into its network namespace and
//! back. Links that were made by a program would end with the namespace, so whoever lends them holds
//! on to that.

use std::io;
use std::os::fd::AsFd;

use virt_domain::devices::interface::{Ip, Route};
use virt_error::Result;

use crate::container::Inside;
use crate::host_end::system;
use crate::namespace::Namespace;
use crate::rtnetlink::Rtnetlink;

/// What a link is called when its name is another's by the time it comes back: as the kernel does it.
const NAMELESS: &str = "dev%d";

/// Moves the link of that name into a container; its number there, by which it is known whatever the
/// container calls it. Blocks.
///
/// # Errors
/// SYSTEM_ERROR naming the link.
pub fn lend(name: &str, namespace: &Namespace) -> Result<u32> {
    let move_in = || {
        let kernel = Rtnetlink::open()?;
        let link = kernel.find(name)?.ok_or(no_such())?;
        kernel.move_link(link.index, namespace.as_fd(), name)?;
        let there = Rtnetlink::within(namespace.as_fd())?.find(name)?;
        Ok(there.ok_or(no_such())?.index)
    };
    move_in().map_err(system(format!(
        "cannot move interface '{name}' into the container"
    )))
}

/// Switches a link on that was lent a moment ago, and gives it its addresses and routes. Blocks.
///
/// # Errors
/// SYSTEM_ERROR naming it.
pub fn set_up(name: &str, namespace: &Namespace, ips: &[Ip], routes: &[Route]) -> Result<()> {
    Inside::of(namespace)?.set_up(name, ips, routes)
}

/// Moves a link back to the host: the one with that number in the container, else the one that is called
/// as it was on the host. One that is not there any more is fine. Blocks.
///
/// # Errors
/// The kernel's.
pub fn take_back(name: &str, index: Option<u32>, namespace: &Namespace) -> io::Result<()> {
    let host = Namespace::own()?;
    let there = Rtnetlink::within(namespace.as_fd())?;
    let found = match index {
        Some(index) => there.at(index)?,
        None => there.find(name)?,
    };
    let Some(link) = found else { return Ok(()) };
    match there.move_link(link.index, host.as_fd(), name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            there.move_link(link.index, host.as_fd(), NAMELESS)
        }
        other => other,
    }
}

fn no_such() -> io::Error {
    io::Error::from_raw_os_error(nix::libc::ENODEV)
}
