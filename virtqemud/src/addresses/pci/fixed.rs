//! What a board has at fixed places, and what it likes to have where.
//!
//! Facts: WIRE.md section 29; the chips' data sheets.

use super::bus::Connect;
use super::devices::Device;
use super::set::PciSet;
use crate::board::Board;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, PciAddress};
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::sound::SoundModel;
use virt_domain::devices::video::VideoModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

/// A device that comes with the board.
struct BuiltIn {
    what: &'static str,
    place: PciAddress,
    shown: &'static str,
}

fn built_in(board: Board, controller: &Controller) -> Option<BuiltIn> {
    let it = |what, slot, function, shown| {
        Some(BuiltIn {
            what,
            place: PciAddress::new(0, slot, function),
            shown,
        })
    };
    match (board, controller.kind) {
        (Board::I440fx, ControllerKind::Ide) if controller.index() == 0 => {
            it("Primary IDE controller", 1, 1, "0:0:1.1")
        }
        (Board::I440fx, ControllerKind::Usb)
            if controller.index() == 0
                && matches!(controller.model, Some(ControllerModel::Piix3Uhci) | None) =>
        {
            it("PIIX3 USB controller at index 0", 1, 2, "0:0:1.2")
        }
        (Board::Q35, ControllerKind::Sata) if controller.index() == 0 => {
            it("Primary SATA controller", 0x1f, 2, "0:0:1f.2")
        }
        _ => None,
    }
}

/// Whether a device at that address is the board's own there, which is taken care of by [`place`].
pub(super) fn is_fixed(domain: &Domain, board: Board, device: Device, at: &PciAddress) -> bool {
    let Device::Controller(index) = device else {
        return false;
    };
    let controller = domain.devices.controllers.get(index);
    controller
        .and_then(|c| built_in(board, c))
        .is_some_and(|b| same(&b.place, at))
}

fn same(a: &PciAddress, b: &PciAddress) -> bool {
    (a.domain, a.bus, a.slot, a.function) == (b.domain, b.bus, b.slot, b.function)
}

/// Takes what the board has and puts its controllers there.
pub(super) fn place(domain: &mut Domain, board: Board, set: &mut PciSet) -> Result<()> {
    match board {
        Board::I440fx => {
            // The ISA bridge and what is in the same chip.
            for function in 0..4 {
                set.take(&PciAddress::new(0, 1, function));
            }
        }
        Board::Q35 => {
            for function in [0, 2, 3] {
                set.take(&PciAddress::new(0, 0x1f, function));
            }
        }
        _ => {}
    }
    for controller in &mut domain.devices.controllers {
        let Some(own) = built_in(board, controller) else {
            continue;
        };
        match controller.info.pci() {
            Some(given) if !same(given, &own.place) => {
                return Err(Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Qemu,
                    format!("{} must have PCI address {}", own.what, own.shown),
                ));
            }
            Some(_) => {}
            None => controller.info.address = Some(Address::Pci(own.place)),
        }
    }
    Ok(())
}

/// Puts what the board likes at certain places there, if they are free. The primary graphics card
/// whose place is taken is returned: of all others it chooses first.
pub(super) fn prefer(
    domain: &mut Domain,
    board: Board,
    set: &mut PciSet,
) -> Result<Option<Device>> {
    match board {
        Board::I440fx => primary_video(domain, set, 2),
        Board::Q35 => {
            dmi_bridge(domain, set)?;
            usb2(domain, set)?;
            ich9_sound(domain, set)?;
            primary_video(domain, set, 1)
        }
        _ => Ok(None),
    }
}

fn unplaced(info: &DeviceInfo) -> bool {
    match &info.address {
        None => true,
        Some(Address::Pci(pci)) => pci.is_any(),
        Some(_) => false,
    }
}

fn settle(info: &mut DeviceInfo, set: &mut PciSet, at: PciAddress, flags: Connect) -> Result<()> {
    set.reserve(&at, flags)?;
    info.address = Some(Address::Pci(at));
    Ok(())
}

/// Firmware looks for the first graphics card there.
fn primary_video(domain: &mut Domain, set: &mut PciSet, slot: u8) -> Result<Option<Device>> {
    let videos = &mut domain.devices.videos;
    let primary = videos.iter().position(|v| v.primary).unwrap_or(0);
    let Some(video) = videos.get_mut(primary) else {
        return Ok(None);
    };
    if matches!(
        video.model,
        Some(VideoModel::None | VideoModel::Ramfb) | None
    ) || !unplaced(&video.info)
    {
        return Ok(None);
    }
    if !set.slot_is_free(0, slot) {
        return Ok(Some(Device::Video(primary)));
    }
    let place = PciAddress::new(0, slot, 0);
    settle(&mut video.info, set, place, Connect::PCI)?;
    Ok(None)
}

fn dmi_bridge(domain: &mut Domain, set: &mut PciSet) -> Result<()> {
    let first = domain
        .devices
        .controllers
        .iter_mut()
        .find(|c| c.has_model(ControllerModel::DmiToPciBridge));
    match first {
        Some(bridge) if unplaced(&bridge.info) && set.slot_is_free(0, 0x1e) => settle(
            &mut bridge.info,
            set,
            PciAddress::new(0, 0x1e, 0),
            Connect::DMI_BRIDGE,
        ),
        _ => Ok(()),
    }
}

fn ich9_sound(domain: &mut Domain, set: &mut PciSet) -> Result<()> {
    let first = domain
        .devices
        .sounds
        .iter_mut()
        .find(|s| s.model == SoundModel::Ich9);
    match first {
        Some(sound) if unplaced(&sound.info) && set.slot_is_free(0, 0x1b) => settle(
            &mut sound.info,
            set,
            PciAddress::new(0, 0x1b, 0),
            Connect::PCI,
        ),
        _ => Ok(()),
    }
}

/// Where the ICH9 has its two USB 2 controllers: the first function of each. The others join them.
fn usb2(domain: &mut Domain, set: &mut PciSet) -> Result<()> {
    let mut slots = [0x1d, 0x1a].into_iter();
    for controller in &mut domain.devices.controllers {
        if controller.kind != ControllerKind::Usb
            || !controller.has_model(ControllerModel::Ich9Uhci1)
            || !unplaced(&controller.info)
        {
            continue;
        }
        let Some(slot) = slots.find(|slot| set.slot_is_free(0, *slot)) else {
            break;
        };
        let place = PciAddress {
            multifunction: Some(OnOff::On),
            ..PciAddress::new(0, slot, 0)
        };
        settle(&mut controller.info, set, place, Connect::PCI)?;
    }
    Ok(())
}
