//! Ports of virtio-serial controllers.
//!
//! Port 0 of the first controller belongs to the first console; channels start at 1.

use std::collections::BTreeSet;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, VirtioSerialAddress};
use virt_domain::devices::chardev::{ChannelTarget, ConsoleType};
use virt_domain::devices::controller::{Controller, ControllerKind};
use virt_domain::devices::info::DeviceInfo;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Ports of a controller that does not say how many it has.
const PORTS: u32 = 31;

/// Gives every channel and virtio console a port.
pub(super) fn assign(domain: &mut Domain) -> Result<()> {
    let ports: Vec<(u32, u32)> = domain
        .devices
        .controllers
        .iter()
        .filter(|c| c.kind == ControllerKind::VirtioSerial)
        .map(|c: &Controller| (c.index(), c.ports.unwrap_or(PORTS)))
        .collect();
    let mut taken = BTreeSet::new();
    for info in infos(domain) {
        if let Some(Address::VirtioSerial(serial)) = &info.0.address
            && let Some(port) = serial.port.filter(|p| *p > 0 || info.1)
        {
            let count = ports.iter().find(|(index, _)| *index == serial.controller);
            match count {
                None => {
                    return Err(xml(format!(
                        "virtio serial controller {} is missing",
                        serial.controller
                    )));
                }
                Some((_, count)) if port > *count => {
                    return Err(xml(format!(
                        "virtio serial controller {} does not have port {port}",
                        serial.controller
                    )));
                }
                Some(_) => {}
            }
            if !taken.insert((serial.controller, port)) {
                return Err(xml(format!(
                    "virtio serial port {port} on controller {} is already occupied",
                    serial.controller
                )));
            }
        }
    }
    for (info, console) in infos(domain) {
        let wanted = match &info.address {
            None => None,
            Some(Address::VirtioSerial(serial)) => match serial.port {
                Some(port) if port > 0 || console => continue,
                _ => Some(serial.controller),
            },
            Some(_) => continue,
        };
        let first = u32::from(!console);
        let free = ports
            .iter()
            .filter(|(index, _)| wanted.is_none_or(|w| w == *index))
            .find_map(|(index, count)| {
                let low = if *index == 0 { first } else { 0 }.max(u32::from(!console));
                (low..=*count)
                    .find(|port| !taken.contains(&(*index, *port)))
                    .map(|port| (*index, port))
            });
        let Some((controller, port)) = free else {
            return Err(xml("Unable to find a free virtio-serial port"));
        };
        taken.insert((controller, port));
        info.address = Some(Address::VirtioSerial(VirtioSerialAddress {
            controller,
            bus: 0,
            port: Some(port),
        }));
    }
    Ok(())
}

/// The devices on such ports, and whether each is a console.
fn infos(domain: &mut Domain) -> Vec<(&mut DeviceInfo, bool)> {
    let devices = &mut domain.devices;
    let consoles = devices
        .consoles
        .iter_mut()
        .filter(|c| c.kind == Some(ConsoleType::Virtio))
        .map(|c| (&mut c.info, true));
    let channels = devices
        .channels
        .iter_mut()
        .filter(|c| matches!(c.target, ChannelTarget::Virtio { .. }))
        .map(|c| (&mut c.info, false));
    consoles.chain(channels).collect()
}

fn xml(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}
