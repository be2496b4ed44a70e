//! Checks of input devices against what QEMU and this driver can do.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::controller::{ControllerKind, ControllerModel};
use virt_domain::devices::input::{InputBus, InputType};
use virt_domain::devices::virtio::VirtioModel;
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
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
            Some(bus @ (InputBus::Xen | InputBus::Parallels)) => {
                return Err(unsupported(format!("unsupported input bus {bus}")));
            }
            _ => {}
        }
        let transitional = matches!(
            input.model,
            Some(VirtioModel::VirtioTransitional | VirtioModel::VirtioNonTransitional)
        );
        if transitional && input.kind != InputType::Passthrough {
            return Err(unsupported(format!(
                "virtio (non-)transitional models are not supported for input type={}",
                input.kind
            )));
        }
        let evdev = matches!(input.kind, InputType::Evdev | InputType::Passthrough);
        if evdev && input.source.is_none() {
            return Err(unsupported(format!(
                "input of type '{}' needs <source> with the device's path",
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
