//! Links of the host that a container has while it runs: `<hostdev mode='capabilities' type='net'>`. Its
//! network namespace is held on to by a file meanwhile, so that they can be brought back whoever died.

use std::path::Path;

use virt_domain::Domain;
use virt_domain::devices::hostdev::{Hostdev, HostdevSource};
use virt_domain::devices::interface::{Ip, Route};
use virt_error::{Error, ErrorDomain, Result};
use virt_net::{Namespace, lent};
use virt_xml::{Content, Element, Tree};

use crate::driver::Driver;

/// The element of a status file that has the link's number in the container, beside what other host
/// devices were.
const ORIGINAL: &str = "origstates";
const LINK: &str = "link";
const INDEX: &str = "index";

/// The name of the link that the device is.
fn link(device: &Hostdev) -> Option<&str> {
    match &device.source {
        HostdevSource::Interface(name) => Some(name),
        _ => None,
    }
}

/// Whether the container is lent a link.
pub(crate) fn any(domain: &Domain) -> bool {
    domain
        .devices
        .hostdevs
        .iter()
        .any(|one| link(one).is_some())
}

fn parts<E: Element>(device: &Hostdev, name: &str) -> Result<Vec<E>> {
    let all = device.network.iter().filter(|tree| tree.name == name);
    all.map(|tree| Ok(virt_xml::read_named::<E>(name, &tree.to_xml(0))?.0))
        .collect()
}

/// Moves the links into the container and notes their numbers there.
///
/// # Errors
/// SYSTEM_ERROR naming the link.
pub(super) fn lend(driver: &Driver, namespace: &Namespace, domain: &mut Domain) -> Result<()> {
    if !any(domain) {
        return Ok(());
    }
    let path = driver.folders.network(&domain.name);
    // What an earlier run left, if anything.
    take_back(driver, domain);
    namespace.hold(&path).map_err(|cause| {
        let what = format!(
            "cannot hold on to the container's network by '{}'",
            path.display()
        );
        Error::system(ErrorDomain::Lxc, what, &cause)
    })?;
    for device in &mut domain.devices.hostdevs {
        let Some(name) = link(device).map(str::to_owned) else {
            continue;
        };
        let ips: Vec<Ip> = parts(device, "ip")?;
        let routes: Vec<Route> = parts(device, "route")?;
        let index = lent::lend(&name, namespace)?;
        device.state.original = Some(Box::new(original(index)));
        lent::set_up(&name, namespace, &ips, &routes)?;
    }
    Ok(())
}

fn original(index: u32) -> Tree {
    let link = Tree {
        attributes: vec![(INDEX.to_owned(), index.to_string())],
        ..Tree::new(LINK)
    };
    Tree {
        content: vec![Content::Element(link)],
        ..Tree::new(ORIGINAL)
    }
}

fn index(device: &Hostdev) -> Option<u32> {
    let link = device.state.original.as_ref()?.element(LINK)?;
    link.attribute(INDEX)?.parse().ok()
}

/// Brings the links back to the host; what can't be brought back is told in the log.
pub(super) fn take_back(driver: &Driver, domain: &Domain) {
    if !any(domain) {
        return;
    }
    let path = driver.folders.network(&domain.name);
    let Ok(namespace) = Namespace::open(&path) else {
        // Nothing was lent yet.
        return let_go(&path, &domain.name);
    };
    let mut all = true;
    for device in &domain.devices.hostdevs {
        let Some(name) = link(device) else { continue };
        if let Err(error) = lent::take_back(name, index(device), &namespace) {
            all = false;
            tracing::error!(
                guest = %domain.name, link = name, %error,
                "the interface is left in the container's network, which '{}' keeps",
                path.display()
            );
        }
    }
    if all {
        let_go(&path, &domain.name);
    }
}

fn let_go(path: &Path, guest: &str) {
    if let Err(error) = Namespace::let_go(path) {
        tracing::error!(guest, %error, "'{}' is left", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_links_number_is_found_again() {
        let text = "<hostdev mode='capabilities' type='net'><source><interface>eth1</interface></source>\
                    <ip address='10.0.0.2' prefix='24'/><route address='0.0.0.0' gateway='10.0.0.1'/>\
                    </hostdev>";
        let mut device: Hostdev = virt_xml::read_named("hostdev", text).unwrap().0;
        assert_eq!((link(&device), index(&device)), (Some("eth1"), None));
        device.state.original = Some(Box::new(original(12)));
        assert_eq!(index(&device), Some(12));
        assert_eq!(parts::<Ip>(&device, "ip").unwrap()[0].prefix, Some(24));
        assert_eq!(parts::<Route>(&device, "route").unwrap().len(), 1);
    }
}
