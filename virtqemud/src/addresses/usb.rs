//! Ports of USB buses and of the hubs on them.
//!
//! Facts: ports of the controllers from their data sheets; the texts of refusals are the stock
//! daemon's.

use std::collections::{BTreeMap, BTreeSet};
use virt_domain::Domain;
use virt_domain::devices::address::{Address, UsbAddress, UsbPort};
use virt_domain::devices::chardev::SerialType;
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_domain::devices::disk::DiskBus;
use virt_domain::devices::filesystem::FilesystemDriverKind;
use virt_domain::devices::hostdev::HostdevKind;
use virt_domain::devices::hub::Hub;
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::input::InputBus;
use virt_domain::devices::sound::SoundModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Ports of QEMU's hub.
const HUB_PORTS: u32 = 8;

/// What is plugged in where.
#[derive(Default)]
struct Tree {
    /// Number of ports of each bus, and of each hub by its own port.
    hubs: BTreeMap<(u32, UsbPort), u32>,
    taken: BTreeSet<(u32, UsbPort)>,
}

impl Tree {
    fn plug(&mut self, at: &UsbAddress, hub: bool) -> Result<()> {
        let path = at.port.path();
        let Some((last, above)) = path.split_last() else {
            return Ok(());
        };
        let parent = UsbPort::new(std::array::from_fn(|i| above.get(i).copied().unwrap_or(0)));
        if !self.hubs.contains_key(&(at.bus, UsbPort::default())) {
            return Err(xml(format!(
                "USB bus {} requested but no controller with that index is present",
                at.bus
            )));
        }
        match self.hubs.get(&(at.bus, parent)) {
            None => {
                // Name the first port on the way at which there is no hub.
                let missing = (1..=above.len())
                    .map(|n| {
                        UsbPort::new(std::array::from_fn(|i| {
                            above[..n].get(i).copied().unwrap_or(0)
                        }))
                    })
                    .find(|p| !self.hubs.contains_key(&(at.bus, *p)));
                return Err(xml(format!(
                    "there is no hub at port {} in USB address bus: {} port: {}",
                    missing.and_then(|m| m.path().last().copied()).unwrap_or(0),
                    at.bus,
                    at.port
                )));
            }
            Some(count) if last > count => {
                return Err(xml(format!(
                    "requested USB port {} not present on USB bus {}",
                    at.port, at.bus
                )));
            }
            Some(_) => {}
        }
        if !self.taken.insert((at.bus, at.port)) {
            return Err(xml(format!(
                "Duplicate USB address bus {} port {}",
                at.bus, at.port
            )));
        }
        if hub {
            self.hubs.insert((at.bus, at.port), HUB_PORTS);
        }
        Ok(())
    }

    /// The first free port, those of a hub before those of the hubs behind it.
    fn free(&self, bus: Option<u32>) -> Option<UsbAddress> {
        let mut hubs: Vec<_> = self
            .hubs
            .iter()
            .filter(|((of, _), _)| bus.is_none_or(|b| b == *of))
            .collect();
        // Each hub before those behind it.
        hubs.sort_by_key(|(place, _)| **place);
        hubs.into_iter().find_map(|((bus, hub), count)| {
            (1..=*count)
                .filter_map(|n| hub.child(n))
                .find(|port| !self.taken.contains(&(*bus, *port)))
                .map(|port| UsbAddress { bus: *bus, port })
        })
    }
}

/// Ports of a controller; nothing for one that shares its master's.
fn ports(controller: &Controller) -> Option<u32> {
    use ControllerModel as M;
    if controller.kind != ControllerKind::Usb {
        return None;
    }
    Some(match controller.model? {
        M::Ich9Uhci1 | M::Ich9Uhci2 | M::Ich9Uhci3 | M::None => return None,
        M::Piix3Uhci | M::Piix4Uhci | M::Vt82c686bUhci => 2,
        M::PciOhci => 3,
        M::Ehci | M::Ich9Ehci1 => 6,
        M::NecXhci | M::QemuXhci => controller.ports.unwrap_or(4),
        M::Qusb1 | M::Qusb2 => controller.ports.unwrap_or(8),
        _ => return None,
    })
}

/// Everything that was given, plugged in.
///
/// # Errors
/// XML_ERROR for a port that is not there or is given twice.
pub(super) fn check(domain: &mut Domain) -> Result<()> {
    given(domain).map(drop)
}

fn given(domain: &mut Domain) -> Result<Tree> {
    let mut tree = Tree::default();
    for controller in &domain.devices.controllers {
        if let Some(count) = ports(controller) {
            tree.hubs
                .insert((controller.index(), UsbPort::default()), count);
        }
    }
    // Hubs first, the ones nearest to the bus before those behind them.
    let mut given: Vec<(UsbAddress, bool)> = infos(domain)
        .iter()
        .filter_map(|(info, hub)| Some((info.address.as_ref()?.usb()?.clone(), *hub)))
        .filter(|(address, _)| !address.port.is_empty())
        .collect();
    given.sort_by_key(|(address, hub)| (!hub, address.port.path().len()));
    for (address, hub) in &given {
        tree.plug(address, *hub)?;
    }
    Ok(tree)
}

/// Gives every USB device a port, behind hubs that are added where the buses have too few.
pub(super) fn assign(domain: &mut Domain) -> Result<()> {
    add_hubs(domain);
    let mut tree = given(domain)?;
    if tree.hubs.is_empty() {
        return Ok(());
    }
    for (info, hub) in infos(domain) {
        let bus = match &info.address {
            None => None,
            Some(Address::Usb(usb)) if usb.port.is_empty() => Some(usb.bus),
            // The stock daemon passes over whatever else a hub is given.
            Some(other) if hub && other.usb().is_none() => None,
            Some(_) => continue,
        };
        if let Some(bus) = bus.filter(|b| !tree.hubs.contains_key(&(*b, UsbPort::default()))) {
            return Err(xml(format!(
                "USB bus {bus} requested but no controller with that index is present"
            )));
        }
        let address = tree
            .free(bus)
            .ok_or_else(|| internal("No free USB ports"))?;
        tree.plug(&address, hub)?;
        info.address = Some(Address::Usb(address));
    }
    Ok(())
}

/// Adds as many hubs as it takes for every device to have a port.
fn add_hubs(domain: &mut Domain) {
    let ports: u32 = domain.devices.controllers.iter().filter_map(ports).sum();
    let hubs = domain.devices.hubs.len();
    let all = infos(domain);
    // Each hub takes a port and gives eight.
    let free = i64::from(ports) + i64::from(HUB_PORTS) * saturated(hubs) - saturated(all.len());
    if ports == 0 || free >= 0 {
        return;
    }
    // One more than needed, as the stock daemon counts, so that numbers of ports agree.
    let wanted = 1 - free;
    let each = i64::from(HUB_PORTS - 1);
    let more = (wanted + each - 1) / each;
    for _ in 0..more {
        domain.devices.hubs.push(Hub::default());
    }
}

fn saturated(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX / 16)
}

/// Every USB device in the order in which they get their ports, and whether it is a hub.
pub(super) fn infos(domain: &mut Domain) -> Vec<(&mut DeviceInfo, bool)> {
    let d = &mut domain.devices;
    let hubs = d.hubs.iter_mut().map(|x| (&mut x.info, true));
    let disks = d
        .disks
        .iter_mut()
        .filter(|x| x.bus() == DiskBus::Usb)
        .map(|x| (&mut x.info, false));
    let readers = d
        .controllers
        .iter_mut()
        .filter(|x| x.kind == ControllerKind::Ccid)
        .map(|x| (&mut x.info, false));
    let shares = d
        .filesystems
        .iter_mut()
        .filter(|x| x.driver_kind() == Some(FilesystemDriverKind::Mtp))
        .map(|x| (&mut x.info, false));
    let nets = d
        .interfaces
        .iter_mut()
        .filter(|x| x.model.as_deref() == Some("usb-net"))
        .map(|x| (&mut x.info, false));
    let serials = d
        .serials
        .iter_mut()
        .filter(|x| x.target.kind == Some(SerialType::UsbSerial))
        .map(|x| (&mut x.info, false));
    let inputs = d
        .inputs
        .iter_mut()
        .filter(|x| x.bus == Some(InputBus::Usb))
        .map(|x| (&mut x.info, false));
    let sounds = d
        .sounds
        .iter_mut()
        .filter(|x| x.model == SoundModel::Usb)
        .map(|x| (&mut x.info, false));
    let hostdevs = d
        .hostdevs
        .iter_mut()
        .filter(|x| x.kind == HostdevKind::Usb)
        .map(|x| (&mut x.info, false));
    let redirdevs = d.redirdevs.iter_mut().map(|x| (&mut x.info, false));
    hubs.chain(disks)
        .chain(nets)
        .chain(sounds)
        .chain(hostdevs)
        .chain(readers)
        .chain(serials)
        .chain(inputs)
        .chain(shares)
        .chain(redirdevs)
        .collect()
}

fn xml(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

fn internal(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Domain, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::default();
        tree.hubs.insert((0, UsbPort::default()), 2);
        tree
    }

    fn at(port: &str) -> UsbAddress {
        UsbAddress {
            bus: 0,
            port: UsbPort::parse(port).unwrap(),
        }
    }

    #[test]
    fn devices_go_behind_hubs_when_the_bus_is_full() {
        let mut tree = tree();
        tree.plug(&at("1"), true).unwrap();
        tree.plug(&at("2"), false).unwrap();
        assert_eq!(tree.free(None), Some(at("1.1")));
    }

    #[test]
    fn ports_that_are_not_there_are_refused() {
        let mut tree = tree();
        let message = |tree: &mut Tree, port| {
            tree.plug(&at(port), false)
                .unwrap_err()
                .message()
                .to_owned()
        };
        assert_eq!(
            message(&mut tree, "3"),
            "XML error: requested USB port 3 not present on USB bus 0"
        );
        assert_eq!(
            message(&mut tree, "1.2.3"),
            "XML error: there is no hub at port 1 in USB address bus: 0 port: 1.2.3"
        );
        tree.plug(&at("1"), false).unwrap();
        assert_eq!(
            message(&mut tree, "1"),
            "XML error: Duplicate USB address bus 0 port 1"
        );
    }
}
