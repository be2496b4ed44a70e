//! Checks of input devices against what QEMU and this driver can do.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::controller::{ControllerKind, ControllerModel};
use virt_domain::devices::input::{InputBus, InputType};
use virt_domain::devices::virtio::VirtioModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let off = domain
        .features
        .as_ref()
        .and_then(|features| features.ps2)
        .is_some_and(|ps2| !ps2.state.is_on());
    for input in &domain.devices.inputs {
        match input.bus {
            Some(InputBus::Usb) if !has_usb(domain) => {
                return Err(unsupported(
                    "Can't add USB input device. USB bus is disabled",
                ));
            }
            Some(InputBus::Usb) if !input.info.address.as_ref().is_none_or(is_usb) => {
                return Err(xml_error("Invalid address for a USB device"));
            }
            // That of Parallels is nothing to QEMU.
            Some(InputBus::Xen) => {
                return Err(Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Domain,
                    "unsupported input bus xen",
                ));
            }
            Some(InputBus::Ps2) if off => {
                return Err(unsupported(
                    "ps2 bus inputs require the ps2 feature not to be disabled",
                ));
            }
            _ => {}
        }
        let transitional = matches!(
            input.model,
            Some(VirtioModel::VirtioTransitional | VirtioModel::VirtioNonTransitional)
        );
        if transitional {
            return Err(unsupported(format!(
                "virtio (non-)transitional models are not supported for input type={}",
                input.kind
            )));
        }
        if input.kind == InputType::Evdev && !context.caps.has(CapFlag::InputLinux) {
            return Err(unsupported(
                "input-linux is not supported by this QEMU binary",
            ));
        }
    }
    if !domain.devices.hubs.is_empty() && !has_usb(domain) {
        return Err(unsupported(
            "Can't add USB hub: USB is disabled for this domain",
        ));
    }
    Ok(())
}

fn is_usb(address: &Address) -> bool {
    address.usb().is_some()
}

/// Whether the guest has USB.
pub(super) fn has_usb(domain: &Domain) -> bool {
    let off = |model: Option<ControllerModel>| model == Some(ControllerModel::None);
    let mut usb = domain
        .devices
        .controllers
        .iter()
        .filter(|c| c.kind == ControllerKind::Usb);
    usb.any(|c| !off(c.model))
}
