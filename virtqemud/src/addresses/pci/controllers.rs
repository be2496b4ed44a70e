//! PCI controllers themselves: those that are added, and what they are called by.

use super::super::Context;
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
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

/// Adds the controllers below the highest number that is used by a controller or named by an
/// address.
pub(super) fn fill_gaps(domain: &mut Domain, board: Board) -> Result<()> {
    let controllers = &domain.devices.controllers;
    let pci = || controllers.iter().filter(|c| c.kind == ControllerKind::Pci);
    if pci().next().is_none() {
        return Ok(());
    }
    let listed = super::devices::list(domain, board);
    let named = listed
        .iter()
        .filter_map(|wanted| super::place(domain, *wanted))
        .chain(super::devices::strays(domain, &listed))
        .filter(|address| address.domain == 0)
        .map(|address| u32::from(address.bus))
        .max();
    let highest = pci().map(Controller::index).max().max(named).unwrap_or(0);
    if highest > 255 {
        return Err(Error::new(
            ErrorCode::XmlError,
            ErrorDomain::Domain,
            format!("PCI controller index {highest} too high, maximum is 255"),
        ));
    }
    let model = if board.has_pcie_root() {
        ControllerModel::PcieRootPort
    } else {
        ControllerModel::PciBridge
    };
    for index in 1..highest {
        let mut all = domain.devices.controllers.iter();
        if !all.any(|c| c.is(ControllerKind::Pci, index)) {
            add(domain, model)?;
        }
    }
    let mut all = domain.devices.controllers.iter();
    if highest > 0 && !all.any(|c| c.is(ControllerKind::Pci, highest)) {
        add(domain, model)?;
    }
    Ok(())
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
