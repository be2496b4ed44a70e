//! PCI and PCI Express addresses.
//!
//! Given addresses are reserved first, then what the board has at fixed places, then every other
//! device in a fixed order. Where a place is missing, a controller is added and all is tried again,
//! so that what is chosen never depends on how often it was tried. Facts: WIRE.md section 29;
//! formatdomain "Controllers".

mod bus;
mod controllers;
mod devices;
mod fixed;
mod set;

use super::Context;
use crate::board::Board;
use crate::caps::CapFlag;
use bus::Connect;
use devices::{Device, Wanted};
use set::{Growth, PciSet};
use virt_domain::Domain;
use virt_domain::devices::address::{Address, PciAddress};
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_error::Result;
use virt_xml::OnOff;

/// Gives every PCI device an address and adds the controllers this takes.
pub(super) fn assign(domain: &mut Domain, context: &Context) -> Result<()> {
    let board = Board::of(domain);
    let growth = Growth {
        root_ports: board.has_pcie_root() && context.caps.has(CapFlag::PcieRootPort)
            || board.has_pcie_root() && context.caps.has(CapFlag::Ioh3420),
        pci_bridges: context.caps.has(CapFlag::PciBridge),
        pcie_to_pci: context.caps.has(CapFlag::PciePciBridge),
    };
    let pci = |domain: &Domain| {
        let controllers = domain.devices.controllers.iter();
        controllers
            .filter(|c| c.kind == ControllerKind::Pci)
            .count()
    };
    let given = pci(domain);
    let only_root = given <= 1;
    controllers::fill_gaps(domain, board, growth)?;
    let mut added = pci(domain) > given;
    loop {
        let mut attempt = domain.clone();
        // One spare place to plug something in later: behind PCI Express where nobody said how many
        // there are to be, on PCI always.
        let spare = !board.has_pcie_root() || only_root && added;
        match try_all(&mut attempt, board, growth, spare)? {
            None => {
                *domain = attempt;
                break;
            }
            Some(missing) => {
                added = true;
                for model in missing {
                    controllers::add(domain, model)?;
                }
            }
        }
    }
    controllers::complete(domain, board, context)
}

/// The address a device was given, if it was.
fn place(domain: &Domain, device: Wanted) -> Option<PciAddress> {
    device
        .device
        .info(domain)
        .and_then(|info| info.pci())
        .copied()
}

/// Assigns all addresses; says what to add where that isn't possible.
fn try_all(
    domain: &mut Domain,
    board: Board,
    growth: Growth,
    spare: bool,
) -> Result<Option<Vec<ControllerModel>>> {
    let mut set = PciSet::new(growth);
    for controller in roots_and_bridges(domain) {
        set.add(controller)?;
    }
    if set.buses().is_empty() {
        return match devices::list(domain, board).first() {
            None => Ok(None),
            Some(wanted) => set.next(wanted.flags).map(|_| None),
        };
    }
    // What the board has is at its place even if the guest does not mention it, or names another bus.
    fixed::place(domain, board, &mut set)?;
    let all = devices::list(domain, board);
    for wanted in &all {
        if let Some(address) = place(domain, *wanted)
            && !fixed::is_fixed(domain, board, wanted.device, &address)
        {
            set.reserve(&address, wanted.flags)?;
        }
    }
    for address in devices::strays(domain, &all) {
        set.reserve(&address, Connect::PCI | Connect::HOTPLUG | Connect::AUTO)?;
    }
    let full = set.is_full();
    let first = fixed::prefer(domain, board, &mut set)?;
    let mut all = devices::list(domain, board);
    all.sort_by_key(|wanted| Some(wanted.device) != first);
    for wanted in all {
        if place(domain, wanted).is_some() {
            continue;
        }
        let address = match companion(domain, wanted.device, &mut set)? {
            Some(address) => Some(address),
            None => set.next(wanted.flags)?,
        };
        let Some(address) = address else {
            return set.remedy(wanted.flags).map(Some);
        };
        put(domain, wanted.device, address);
    }
    // The stock daemon counts a card that chose first a second time.
    let twice = devices::list(domain, board);
    let twice = twice.iter().find(|wanted| Some(wanted.device) == first);
    if let Some(wanted) = twice
        && set.next(wanted.flags)?.is_none()
        && let Ok(missing) = set.remedy(wanted.flags)
    {
        return Ok(Some(missing));
    }
    if spare && !full {
        let flags = if board.has_pcie_root() {
            Connect::PCIE
        } else {
            Connect::PCI
        };
        let flags = flags | Connect::HOTPLUG | Connect::AUTO;
        if set.next(flags)?.is_none() {
            // A guest without a spare place is still a guest.
            if let Ok(missing) = set.remedy(flags) {
                return Ok(Some(missing));
            }
        }
    }
    // The first function of a slot says that there are more.
    for wanted in devices::list(domain, board) {
        if let Some(info) = wanted.device.info_mut(domain)
            && let Some(Address::Pci(pci)) = &mut info.address
            && pci.function == 0
            && pci.multifunction.is_none()
            && set.slot_has_several(pci)
            && !fixed_slot(board, pci)
        {
            pci.multifunction = Some(OnOff::On);
        }
    }
    Ok(None)
}

/// Slots whose several functions the board itself has.
fn fixed_slot(board: Board, pci: &PciAddress) -> bool {
    pci.bus == 0
        && match board {
            Board::I440fx => pci.slot == 1,
            Board::Q35 => pci.slot == 0x1f,
            _ => false,
        }
}

fn put(domain: &mut Domain, device: Device, address: PciAddress) {
    if let Some(info) = device.info_mut(domain) {
        let zpci = match &info.address {
            Some(Address::Pci(pci)) => pci.zpci,
            _ => None,
        };
        let multifunction = match &info.address {
            Some(Address::Pci(pci)) => pci.multifunction,
            _ => None,
        };
        info.address = Some(Address::Pci(PciAddress {
            zpci,
            multifunction: multifunction.or(address.multifunction),
            ..address
        }));
    }
}

/// The models of the PCI controllers by index.
fn roots_and_bridges(domain: &Domain) -> Vec<ControllerModel> {
    let mut pci: Vec<&Controller> = domain
        .devices
        .controllers
        .iter()
        .filter(|c| c.kind == ControllerKind::Pci)
        .collect();
    pci.sort_by_key(|c| c.index());
    pci.iter().filter_map(|c| c.model).collect()
}

/// The functions of an ICH9 USB controller share a slot: next to one that has its place, or in the
/// first empty slot.
fn companion(domain: &Domain, device: Device, set: &mut PciSet) -> Result<Option<PciAddress>> {
    let Device::Controller(at) = device else {
        return Ok(None);
    };
    let controllers = &domain.devices.controllers;
    let Some(own) = controllers.get(at) else {
        return Ok(None);
    };
    let function = |model: Option<ControllerModel>| match model {
        Some(ControllerModel::Ich9Ehci1) => Some(7),
        Some(ControllerModel::Ich9Uhci1) => Some(0),
        Some(ControllerModel::Ich9Uhci2) => Some(1),
        Some(ControllerModel::Ich9Uhci3) => Some(2),
        _ => None,
    };
    let Some(function) = function(own.model).filter(|_| own.kind == ControllerKind::Usb) else {
        return Ok(None);
    };
    let sibling = controllers
        .iter()
        .filter(|c| c.kind == ControllerKind::Usb && c.index() == own.index())
        .filter(|c| c.model.is_some_and(ControllerModel::is_ich9_usb))
        .find_map(|c| c.info.pci());
    if let Some(sibling) = sibling {
        let address = PciAddress::new(sibling.bus, sibling.slot, function);
        set.reserve(&address, Connect::PCI)?;
        return Ok(Some(address));
    }
    let flags = Connect::PCI | Connect::HOTPLUG | Connect::AUTO;
    let mut address = set.next_slot(flags, function);
    if let Some(first) = address.as_mut().filter(|_| function == 0) {
        first.multifunction = Some(OnOff::On);
    }
    Ok(address)
}
