//! Defaults of input devices.

use super::Context;
use virt_domain::Domain;
use virt_domain::arch::Arch;
use virt_domain::devices::input::{Input, InputBus, InputType};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    let ps2 = has_ps2(domain);
    for input in &mut domain.devices.inputs {
        let virtio = input.model.is_some() || input.kind == InputType::Passthrough;
        let bus = match input.kind {
            InputType::Evdev => continue,
            _ if virtio => InputBus::Virtio,
            InputType::Mouse | InputType::Keyboard if ps2 => InputBus::Ps2,
            _ => InputBus::Usb,
        };
        input.bus.get_or_insert(bus);
    }
    if ps2 {
        for kind in [InputType::Mouse, InputType::Keyboard] {
            add_once(domain, kind);
        }
    }
    Ok(())
}

/// Whether the machine has ports for mouse and keyboard of its own.
fn has_ps2(domain: &Domain) -> bool {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let off = domain
        .features
        .as_ref()
        .and_then(|f| f.ps2)
        .is_some_and(|state| !state.state.is_on());
    matches!(arch, Arch::X86_64 | Arch::I686) && !off
}

fn add_once(domain: &mut Domain, kind: InputType) {
    let inputs = &mut domain.devices.inputs;
    let there = inputs
        .iter()
        .any(|input| input.kind == kind && input.bus == Some(InputBus::Ps2));
    if !there {
        inputs.push(Input::new(kind, InputBus::Ps2));
    }
}
