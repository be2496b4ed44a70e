//! PCI controllers themselves: those that are added, and what they are called by.

use super::super::Context;
use super::bus::Connect;
use super::devices::Device;
use super::set::Growth;
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, PciAddress};
use virt_domain::devices::controller::{
    Controller, ControllerKind, ControllerModel, ModelName, PciModelName,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Adds the controller with the next free number.
pub(super) fn add(domain: &mut Domain, model: ControllerModel) -> Result<()> {
    let used = |index: u32| {
        let mut all = domain.devices.controllers.iter();
        all.any(|c| c.is(ControllerKind::Pci, index))
    };
    let index = (0..256).find(|i| !used(*i)).ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Domain,
            "No more PCI controllers can be added: 256 are in use",
        )
    })?;
    let mut controller = Controller::new(ControllerKind::Pci, index);
    controller.model = Some(model);
    controller.insert(&mut domain.devices.controllers);
    Ok(())
}

/// Adds the controllers below the highest number that is used by a controller, and those that given
/// addresses call for: each device gets buses of its own kind up to the one it names.
pub(super) fn fill_gaps(domain: &mut Domain, board: Board, growth: Growth) -> Result<()> {
    let controllers = domain.devices.controllers.iter();
    let pci = controllers.filter(|c| c.kind == ControllerKind::Pci);
    let Some(highest) = pci.map(Controller::index).max() else {
        return Ok(());
    };
    let listed = super::devices::list(domain, board);
    let strays = super::devices::strays(domain, &listed).into_iter();
    let named: Vec<(Option<Device>, PciAddress, Connect)> = listed
        .iter()
        .filter_map(|wanted| {
            let place = super::place(domain, *wanted)?;
            Some((Some(wanted.device), place, wanted.flags))
        })
        .chain(strays.map(|address| (None, address, Connect::PCI)))
        .filter(|(_, address, _)| address.domain == 0)
        .collect();
    let named_bus = named.iter().map(|(_, address, _)| u32::from(address.bus));
    let last = named_bus.max().unwrap_or(0).max(highest);
    if last > 255 {
        return Err(Error::new(
            ErrorCode::XmlError,
            ErrorDomain::Domain,
            format!("PCI controller index {last} too high, maximum is 255"),
        ));
    }
    let usual = match board.has_pcie_root() {
        true => ControllerModel::PcieRootPort,
        false => ControllerModel::PciBridge,
    };
    up_to(domain, usual, highest)?;
    let mut count = highest + 1;
    for (device, address, flags) in named {
        let mut bus = u32::from(address.bus);
        if bus < count {
            continue;
        }
        let conventional = flags & Connect::KINDS == Connect::PCI;
        if !board.has_pcie_root() || !conventional {
            up_to(domain, usual, bus)?;
        } else {
            if !has_pci_bus(domain) && growth.pcie_to_pci {
                add(domain, usual)?;
                add(domain, ControllerModel::PcieToPciBridge)?;
                // The first of the two is no place for it.
                if bus == count {
                    bus += 1;
                    move_to(domain, device, bus);
                }
            } else if !has_pci_bus(domain) {
                add(domain, ControllerModel::DmiToPciBridge)?;
            }
            up_to(domain, ControllerModel::PciBridge, bus)?;
        }
        count = bus + 1;
    }
    Ok(())
}

/// Adds controllers of that model until there is one of that number.
fn up_to(domain: &mut Domain, model: ControllerModel, last: u32) -> Result<()> {
    for index in 1..=last {
        let mut all = domain.devices.controllers.iter();
        if !all.any(|c| c.is(ControllerKind::Pci, index)) {
            add(domain, model)?;
        }
    }
    Ok(())
}

/// Whether there is a bus of conventional PCI, which further ones can be bridged to.
fn has_pci_bus(domain: &Domain) -> bool {
    use ControllerModel as M;
    let mut all = domain.devices.controllers.iter();
    all.any(|c| {
        matches!(
            c.model,
            Some(M::PciBridge | M::DmiToPciBridge | M::PcieToPciBridge | M::PciExpanderBus)
        )
    })
}

fn move_to(domain: &mut Domain, device: Option<Device>, bus: u32) {
    let info = device.and_then(|device| device.info_mut(domain));
    if let (Some(info), Ok(bus)) = (info, u8::try_from(bus))
        && let Some(Address::Pci(address)) = &mut info.address
    {
        address.bus = bus;
    }
}

/// Fills in what follows from a controller's number and place.
pub(super) fn complete(domain: &mut Domain, board: Board, context: &Context) -> Result<()> {
    let bus_numbers = bus_numbers(domain);
    if board == Board::Pseries {
        number_host_bridges(domain);
    }
    for controller in &mut domain.devices.controllers {
        if controller.kind != ControllerKind::Pci {
            continue;
        }
        let Some(model) = controller.model else {
            continue;
        };
        let index = controller.index();
        let byte = u8::try_from(index).unwrap_or(u8::MAX);
        let place = controller.info.pci().copied();
        // Of the others the stock daemon does not ask it.
        if let Some(place) = place
            && model == ControllerModel::PciBridge
            && u32::from(place.bus) >= index
        {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                format!(
                    "PCI controller at index {index} ({index:#04x}) has bus='{:#04x}', but index must \
                     be larger than bus",
                    place.bus
                ),
            ));
        }
        if let Some(name) = model_name(model, board, context) {
            controller.model_name.get_or_insert(ModelName { name });
        }
        match model {
            // The chassis of the root is nobody's, and where there is no root there is none.
            ControllerModel::PciBridge if byte > 0 => {
                controller.target_mut().chassis_nr.get_or_insert(byte);
            }
            ControllerModel::PcieRootPort => {
                let target = controller.target_mut();
                target.chassis.get_or_insert(byte);
                if let Some(place) = place {
                    target
                        .port
                        .get_or_insert((place.slot << 3) | place.function);
                }
            }
            ControllerModel::PcieSwitchDownstreamPort => {
                let target = controller.target_mut();
                target.chassis.get_or_insert(byte);
                if let Some(place) = place {
                    target.port.get_or_insert(place.slot);
                }
            }
            ControllerModel::PciExpanderBus | ControllerModel::PcieExpanderBus => {
                let own = bus_numbers.iter().find(|(i, _)| *i == index);
                if let Some((_, number)) = own {
                    controller.target_mut().bus_nr.get_or_insert(*number);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Each host bridge of a pSeries guest has an index of its own; the first one's is 0.
fn number_host_bridges(domain: &mut Domain) {
    let bridges = domain.devices.controllers.iter_mut();
    let mut bridges: Vec<&mut Controller> = bridges
        .filter(|controller| controller.has_model(ControllerModel::PciRoot))
        .collect();
    let index = |bridge: &Controller| bridge.target.as_ref().and_then(|target| target.index);
    let mut taken: Vec<u8> = bridges.iter().filter_map(|bridge| index(bridge)).collect();
    for bridge in &mut bridges {
        if index(bridge).is_some() {
            continue;
        }
        let from = u8::from(bridge.index() > 0);
        if let Some(free) = (from..=30).find(|number| !taken.contains(number)) {
            taken.push(free);
            bridge.target_mut().index = Some(free);
        }
    }
}

/// First bus behind each expander: counted down from 254, with room for what is behind it.
fn bus_numbers(domain: &Domain) -> Vec<(u32, u8)> {
    let expanders: Vec<&Controller> = domain
        .devices
        .controllers
        .iter()
        .filter(|c| {
            matches!(
                c.model,
                Some(ControllerModel::PciExpanderBus | ControllerModel::PcieExpanderBus)
            )
        })
        .collect();
    let given = |c: &Controller| c.target.as_ref().and_then(|t| t.bus_nr);
    let mut lowest = expanders.iter().filter_map(|c| given(c)).min().unwrap_or(0);
    let mut numbers = Vec::new();
    for controller in expanders {
        let number = match given(controller) {
            Some(number) => number,
            None => {
                // One bus for the expander's own bridge, one for each bus behind it.
                lowest = if lowest == 0 {
                    254
                } else {
                    lowest.saturating_sub(2).max(1)
                };
                lowest
            }
        };
        numbers.push((controller.index(), number));
    }
    numbers
}

fn model_name(model: ControllerModel, board: Board, context: &Context) -> Option<PciModelName> {
    Some(match model {
        ControllerModel::PciRoot if board == Board::Pseries => PciModelName::SpaprPciHostBridge,
        ControllerModel::PciBridge => PciModelName::PciBridge,
        ControllerModel::DmiToPciBridge => PciModelName::I82801b11Bridge,
        ControllerModel::PcieToPciBridge => PciModelName::PciePciBridge,
        ControllerModel::PcieRootPort if context.caps.has(CapFlag::PcieRootPort) => {
            PciModelName::PcieRootPort
        }
        ControllerModel::PcieRootPort => PciModelName::Ioh3420,
        ControllerModel::PcieSwitchUpstreamPort => PciModelName::X3130Upstream,
        ControllerModel::PcieSwitchDownstreamPort => PciModelName::Xio3130Downstream,
        ControllerModel::PciExpanderBus => PciModelName::Pxb,
        ControllerModel::PcieExpanderBus => PciModelName::PxbPcie,
        _ => return None,
    })
}
