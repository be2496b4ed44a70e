//! Defaults of controllers: numbers, those every board has, models.
//!
//! Controllers that only devices call for are added with the addresses of those
//! ([`crate::addresses`]). Facts: WIRE.md section 29; formatdomain "Controllers".

use super::Context;
use crate::board::Board;
use crate::caps::CapFlag;
use std::collections::{HashMap, HashSet};
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::chardev::SerialType;
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_domain::devices::disk::DiskBus;
use virt_domain::devices::hostdev::HostdevKind;
use virt_domain::devices::input::InputBus;
use virt_domain::devices::sound::SoundModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    number(&mut domain.devices.controllers);
    let board = Board::of(domain);
    check_no_usb(domain)?;
    add_of_hostdevs(domain);
    add_board_controllers(domain, board, context);
    for controller in &mut domain.devices.controllers {
        model(controller, board, context);
    }
    check(domain, board)
}

/// Gives each controller without a number the lowest free one of its kind. Companions of a USB 2
/// controller have its number.
fn number(controllers: &mut [Controller]) {
    let numbered = controllers.iter().filter_map(|c| Some((c.kind, c.index?)));
    let mut taken: HashSet<(ControllerKind, u32)> = numbered.collect();
    // From where on there may be free numbers.
    let mut free: HashMap<ControllerKind, u32> = HashMap::new();
    let mut master = None;
    for controller in controllers {
        let kind = controller.kind;
        if controller.index.is_none() {
            let companion = controller
                .model
                .is_some_and(ControllerModel::is_usb_companion);
            let index = master.filter(|_| companion).unwrap_or_else(|| {
                let next = free.entry(kind).or_default();
                while taken.contains(&(kind, *next)) {
                    *next += 1;
                }
                *next
            });
            taken.insert((kind, index));
            controller.index = Some(index);
        }
        if controller.has_model(ControllerModel::Ich9Ehci1) {
            master = controller.index;
        }
    }
}

/// Controllers that SCSI units of the host call for. They come before the machine's own ones.
fn add_of_hostdevs(domain: &mut Domain) {
    /// What names more is refused later.
    const MOST: u32 = 256;
    let devices = &mut domain.devices;
    let units = devices.hostdevs.iter();
    let units = units.filter(|unit| unit.kind == HostdevKind::Scsi);
    let named = units.map(|unit| {
        let address = unit.info.address.as_ref().and_then(Address::drive);
        address.map_or(0, |address| address.controller)
    });
    let Some(highest) = named.max().filter(|highest| *highest < MOST) else {
        return;
    };
    // They are as the others of the guest.
    let all = &mut devices.controllers;
    let others = all.iter().rev();
    let usual = others
        .filter(|one| one.kind == ControllerKind::Scsi)
        .find_map(|one| one.model);
    for index in 0..=highest {
        if !all.iter().any(|one| one.is(ControllerKind::Scsi, index)) {
            let mut new = Controller::new(ControllerKind::Scsi, index);
            new.model = usual;
            new.insert(all);
        }
    }
}

fn add_board_controllers(domain: &mut Domain, board: Board, context: &Context) {
    let has = |domain: &Domain, kind: ControllerKind, index: u32| {
        let mut all = domain.devices.controllers.iter();
        all.any(|c| c.kind == kind && c.index() == index)
    };
    if !has(domain, ControllerKind::Usb, 0)
        && let Some(model) = automatic_usb(board, context)
    {
        let mut usb = Controller::new(ControllerKind::Usb, 0);
        usb.model = model;
        usb.insert(&mut domain.devices.controllers);
    }
    if board == Board::Q35 && !has(domain, ControllerKind::Sata, 0) {
        let sata = Controller::new(ControllerKind::Sata, 0);
        sata.insert(&mut domain.devices.controllers);
    }
    let root = match board {
        Board::I440fx | Board::Xenfv | Board::Pseries | Board::S390Ccw => {
            Some(ControllerModel::PciRoot)
        }
        board if board.has_pcie_root() => Some(ControllerModel::PcieRoot),
        _ => None,
    };
    if let Some(model) = root
        && !has(domain, ControllerKind::Pci, 0)
    {
        let mut pci = Controller::new(ControllerKind::Pci, 0);
        pci.model = Some(model);
        pci.insert(&mut domain.devices.controllers);
    }
}

/// The USB controller of a guest that mentions none: `Some(None)` is one whose model follows from
/// the board.
fn automatic_usb(board: Board, context: &Context) -> Option<Option<ControllerModel>> {
    match board {
        Board::I440fx | Board::Xenfv | Board::Pseries => Some(None),
        Board::Q35 => [
            (CapFlag::QemuXhci, ControllerModel::QemuXhci),
            (CapFlag::NecUsbXhci, ControllerModel::NecXhci),
            (CapFlag::Ich9UsbEhci1, ControllerModel::Ich9Ehci1),
        ]
        .into_iter()
        .find(|(flag, _)| context.caps.has(*flag))
        .map(|(_, model)| Some(model)),
        _ => None,
    }
}

fn model(controller: &mut Controller, board: Board, context: &Context) {
    let has = |flag| context.caps.has(flag);
    match (controller.kind, controller.model) {
        (ControllerKind::Usb, None) => {
            controller.model = match board {
                Board::I440fx | Board::Q35 | Board::Xenfv | Board::Isapc | Board::Other => {
                    has(CapFlag::Piix3UsbUhci).then_some(ControllerModel::Piix3Uhci)
                }
                // What a stored definition does not say is what it always was.
                Board::Pseries if !context.is_new() => {
                    has(CapFlag::PciOhci).then_some(ControllerModel::PciOhci)
                }
                Board::Pseries => [
                    (CapFlag::QemuXhci, ControllerModel::QemuXhci),
                    (CapFlag::NecUsbXhci, ControllerModel::NecXhci),
                    (CapFlag::PciOhci, ControllerModel::PciOhci),
                ]
                .into_iter()
                .find(|(flag, _)| has(*flag))
                .map(|(_, model)| model),
                Board::ArmVirt | Board::RiscvVirt | Board::LoongarchVirt => [
                    (CapFlag::QemuXhci, ControllerModel::QemuXhci),
                    (CapFlag::NecUsbXhci, ControllerModel::NecXhci),
                ]
                .into_iter()
                .find(|(flag, _)| has(*flag))
                .map(|(_, model)| model),
                // It has no USB unless a model is named.
                Board::S390Ccw => Some(ControllerModel::None),
                Board::Microvm => None,
            };
        }
        (ControllerKind::Scsi, None | Some(ControllerModel::Auto)) => {
            controller.model = default_scsi(board, context);
        }
        _ => {}
    }
}

/// The SCSI controller of a guest that does not say which.
pub(crate) fn default_scsi(board: Board, context: &Context) -> Option<ControllerModel> {
    match board {
        Board::Pseries => Some(ControllerModel::Ibmvscsi),
        Board::S390Ccw | Board::ArmVirt | Board::RiscvVirt | Board::LoongarchVirt => {
            Some(ControllerModel::VirtioScsi)
        }
        _ if context.caps.has(CapFlag::Lsi) => Some(ControllerModel::Lsilogic),
        _ if context.caps.has(CapFlag::VirtioScsiPci) => Some(ControllerModel::VirtioScsi),
        _ => None,
    }
}

/// Who says that there is no USB names no controller of it; the board's own is another matter.
fn check_no_usb(domain: &Domain) -> Result<()> {
    let controllers = domain.devices.controllers.iter();
    let usb: Vec<_> = controllers
        .filter(|c| c.kind == ControllerKind::Usb)
        .collect();
    let none = usb.iter().find(|c| c.has_model(ControllerModel::None));
    // Behind number 0 the board's own would come before it, and both be refused the next time.
    if none.is_some_and(|none| usb.len() > 1 || none.index() > 0) {
        return Err(Error::new(
            ErrorCode::XmlDetail,
            ErrorDomain::Domain,
            "Can't add another USB controller: USB is disabled for this domain",
        ));
    }
    Ok(())
}

fn check(domain: &Domain, board: Board) -> Result<()> {
    let xml = |text: String| Err(Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text));
    let controllers = &domain.devices.controllers;
    let usb = || controllers.iter().filter(|c| c.kind == ControllerKind::Usb);
    if usb().any(|c| c.has_model(ControllerModel::None)) {
        if !domain.devices.hubs.is_empty() {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "Can't add USB hub: USB is disabled for this domain",
            ));
        }
        if domain
            .devices
            .inputs
            .iter()
            .any(|i| i.bus == Some(InputBus::Usb))
        {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "Can't add USB input device. USB bus is disabled",
            ));
        }
        let devices = &domain.devices;
        let sounds = || devices.sounds.iter().any(|s| s.model == SoundModel::Usb);
        let disks = || devices.disks.iter().any(|disk| disk.bus() == DiskBus::Usb);
        let serials = || {
            let mut serials = devices.serials.iter();
            serials.any(|serial| serial.target.kind == Some(SerialType::UsbSerial))
        };
        // Their readers are on USB.
        if !devices.smartcards.is_empty() || sounds() || disks() || serials() {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "USB is disabled for this domain, but USB devices are present in the domain XML",
            ));
        }
    }
    let mut seen = HashSet::new();
    for controller in controllers {
        let index = controller.index();
        let is_companion = controller.kind == ControllerKind::Usb
            && controller
                .model
                .is_some_and(ControllerModel::is_usb_companion);
        if !is_companion && !seen.insert((controller.kind, index)) {
            return xml(match controller.kind {
                ControllerKind::Usb => format!("Duplicate USB controllers with index {index}"),
                kind => format!("Multiple '{kind}' controllers with index '{index}'"),
            });
        }
        let fits = match controller.model {
            Some(ControllerModel::PciExpanderBus) => board == Board::I440fx,
            Some(ControllerModel::PcieExpanderBus) => {
                matches!(board, Board::Q35 | Board::ArmVirt)
            }
            _ => true,
        };
        if !fits {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                format!(
                    "{} controllers are not supported with this machine type",
                    controller.model.map(|m| m.word()).unwrap_or_default()
                ),
            ));
        }
        if controller.kind == ControllerKind::Pci && index == 0 {
            let wanted = if board.has_pcie_root() {
                ControllerModel::PcieRoot
            } else {
                ControllerModel::PciRoot
            };
            if let Some(model) = controller.model
                && model != wanted
            {
                return xml(format!(
                    "The PCI controller with index='0' must be model='{wanted}' for this machine \
                     type, but model='{model}' was found instead"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_joins_its_kind() {
        let mut all = vec![
            Controller::new(ControllerKind::Usb, 0),
            Controller::new(ControllerKind::Pci, 0),
            Controller::new(ControllerKind::Pci, 5),
            Controller::new(ControllerKind::Sata, 0),
        ];
        Controller::new(ControllerKind::Pci, 3).insert(&mut all);
        Controller::new(ControllerKind::Scsi, 0).insert(&mut all);
        let seen: Vec<_> = all
            .iter()
            .map(|c| format!("{}{}", c.kind, c.index()))
            .collect();
        assert_eq!(seen, ["usb0", "pci0", "pci3", "pci5", "sata0", "scsi0"]);
    }

    #[test]
    fn numbers_are_the_lowest_free_ones() {
        let mut all = vec![
            Controller::new(ControllerKind::Scsi, 1),
            Controller::new(ControllerKind::Scsi, 0),
            Controller::new(ControllerKind::Usb, 0),
        ];
        all[1].index = None;
        number(&mut all);
        assert_eq!(all[1].index, Some(0));
    }
}
