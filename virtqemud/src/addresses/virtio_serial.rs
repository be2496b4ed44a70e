//! Ports of virtio-serial controllers.
//!
//! A controller's port 0 is kept for a console, which QEMU gives it to; all else counts from 1. A
//! console that is placed but names no port keeps 0 and still takes up one of the others.

use std::collections::{BTreeMap, BTreeSet};
use virt_domain::Domain;
use virt_domain::devices::address::{Address, VirtioSerialAddress};
use virt_domain::devices::chardev::{ChannelTarget, ConsoleType};
use virt_domain::devices::controller::{Controller, ControllerKind};
use virt_domain::devices::info::DeviceInfo;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Ports of a controller that does not say how many it has, port 0 among them.
const PORTS: u32 = 31;

/// The ports of all controllers, by the controllers' numbers.
struct Ports {
    counts: BTreeMap<u32, u32>,
    taken: BTreeSet<(u32, u32)>,
    /// By controller, the first port that may be free.
    next: BTreeMap<u32, u32>,
    /// The first controller that may have a free port.
    open: u32,
}

impl Ports {
    fn of(domain: &Domain) -> Self {
        let controllers = domain.devices.controllers.iter();
        Self {
            counts: controllers
                .filter(|c| c.kind == ControllerKind::VirtioSerial)
                .map(|c| (c.index(), c.ports.unwrap_or(PORTS)))
                .collect(),
            taken: BTreeSet::new(),
            next: BTreeMap::new(),
            open: 0,
        }
    }

    /// Takes the port that was asked for.
    fn take(&mut self, controller: u32, port: u32) -> Result<()> {
        let count = self
            .counts
            .get(&controller)
            .ok_or_else(|| xml(format!("virtio serial controller {controller} is missing")))?;
        if port >= *count {
            return Err(xml(format!(
                "virtio serial controller {controller} does not have port {port}"
            )));
        }
        if !self.taken.insert((controller, port)) {
            return Err(xml(format!(
                "virtio serial port {port} on controller {controller} is already occupied"
            )));
        }
        Ok(())
    }

    /// Takes the first free port of that controller.
    fn take_free(&mut self, controller: u32) -> Option<u32> {
        let count = *self.counts.get(&controller)?;
        let next = self.next.entry(controller).or_insert(1);
        while *next < count && self.taken.contains(&(controller, *next)) {
            *next += 1;
        }
        let free = Some(*next).filter(|port| *port < count)?;
        self.taken.insert((controller, free));
        Some(free)
    }

    /// Takes the first free port of that controller, which the definition chose.
    fn take_free_of(&mut self, controller: u32) -> Result<u32> {
        self.take_free(controller).ok_or_else(|| {
            xml(format!(
                "Unable to find a free port on virtio-serial controller {controller}"
            ))
        })
    }

    /// Takes the first free port of any controller; a controller is added when all are full.
    fn take_any(&mut self, added: &mut Vec<u32>) -> Result<(u32, u32)> {
        let free = |ports: &mut Self, controller| {
            let port = ports.take_free(controller)?;
            Some((controller, port))
        };
        while let Some((&controller, _)) = self.counts.range(self.open..).next() {
            self.open = controller;
            if let Some(place) = free(self, controller) {
                return Ok(place);
            }
            let Some(next) = controller.checked_add(1) else {
                break;
            };
            self.open = next;
        }
        let new = (0..=u32::MAX).find(|index| !self.counts.contains_key(index));
        new.and_then(|new| {
            self.counts.insert(new, PORTS);
            self.open = self.open.min(new);
            added.push(new);
            free(self, new)
        })
        .ok_or_else(|| xml("Unable to find a free virtio-serial port"))
    }
}

/// Gives every channel a port, and every console that is placed on a controller.
pub(super) fn assign(domain: &mut Domain) -> Result<()> {
    let mut ports = Ports::of(domain);
    // A port is taken whatever kind of device claims it.
    for info in domain.devices.infos() {
        if let Some((controller, Some(port))) = asked(info) {
            ports.take(controller, port)?;
        }
    }
    for console in consoles(domain) {
        if let Some((controller, None)) = asked(console) {
            // So does the stock daemon: port 0 is looked up on the first controller.
            if !ports.counts.contains_key(&0) {
                return Err(Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Domain,
                    "virtio-serial controller 0 not available",
                ));
            }
            ports.take_free_of(controller)?;
            console.address = place(controller, 0);
        }
    }
    let mut added = Vec::new();
    for channel in channels(domain) {
        let (controller, port) = match (asked(channel), &channel.address) {
            (Some((_, Some(_))), _) => continue,
            (Some((controller, None)), _) => (controller, ports.take_free_of(controller)?),
            // An address of another kind is not one of a channel.
            (None, _) => ports.take_any(&mut added)?,
        };
        channel.address = place(controller, port);
    }
    for index in added {
        let new = Controller::new(ControllerKind::VirtioSerial, index);
        new.insert(&mut domain.devices.controllers);
    }
    Ok(())
}

fn place(controller: u32, port: u32) -> Option<Address> {
    Some(Address::VirtioSerial(VirtioSerialAddress {
        controller,
        bus: 0,
        port: Some(port),
    }))
}

/// The controller and port that an address asks for; port 0 leaves the choice.
fn asked(info: &DeviceInfo) -> Option<(u32, Option<u32>)> {
    match &info.address {
        Some(Address::VirtioSerial(a)) => Some((a.controller, a.port.filter(|port| *port > 0))),
        _ => None,
    }
}

fn consoles(domain: &mut Domain) -> impl Iterator<Item = &mut DeviceInfo> {
    let consoles = domain.devices.consoles.iter_mut();
    consoles
        .filter(|c| c.kind == Some(ConsoleType::Virtio))
        .map(|c| &mut c.info)
}

fn channels(domain: &mut Domain) -> impl Iterator<Item = &mut DeviceInfo> {
    let channels = domain.devices.channels.iter_mut();
    channels
        .filter(|c| matches!(c.target, ChannelTarget::Virtio { .. }))
        .map(|c| &mut c.info)
}

fn xml(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(counts: &[(u32, u32)]) -> Ports {
        Ports {
            counts: counts.iter().copied().collect(),
            taken: BTreeSet::new(),
            next: BTreeMap::new(),
            open: 0,
        }
    }

    #[test]
    fn a_full_controller_is_followed_by_the_next_and_then_by_a_new_one() {
        let mut ports = ports(&[(0, 2), (2, 3)]);
        let mut added = Vec::new();
        let places: Vec<_> = (0..5)
            .map(|_| ports.take_any(&mut added).unwrap())
            .collect();
        assert_eq!(places, [(0, 1), (2, 1), (2, 2), (1, 1), (1, 2)]);
        assert_eq!(added, [1]);
    }

    #[test]
    fn ports_that_are_asked_for_are_there_once() {
        let mut ports = ports(&[(0, 4)]);
        ports.take(0, 3).unwrap();
        let refused = |error: Error| error.message().to_owned();
        assert!(refused(ports.take(0, 3).unwrap_err()).contains("already occupied"));
        assert!(refused(ports.take(0, 4).unwrap_err()).contains("does not have port 4"));
        assert!(refused(ports.take(1, 1).unwrap_err()).contains("is missing"));
        assert_eq!(ports.take_free_of(0).unwrap(), 1);
        assert_eq!(ports.take_free_of(0).unwrap(), 2);
        assert!(ports.take_free_of(0).is_err());
    }
}
