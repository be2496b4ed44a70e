//! Defaults of input devices.

use super::Context;
use virt_domain::Domain;
use virt_domain::arch::Arch;
use virt_domain::devices::input::{Input, InputBus, InputType};
use virt_error::Result;

pub(super) fn fill(domain: &mut Domain, _context: &Context) -> Result<()> {
    let ps2 = has_ps2(domain);
    // Before the others are told their bus: only one that names the ports is one of the machine's.
    let machines: Vec<InputType> = [InputType::Mouse, InputType::Keyboard]
        .into_iter()
        .filter(|kind| ps2 && !is_there(domain, *kind))
        .collect();
    let x86 = is_x86(domain);
    for input in &mut domain.devices.inputs {
        let virtio = input.model.is_some() || input.kind == InputType::Passthrough;
        let bus = match input.kind {
            InputType::Evdev => continue,
            _ if virtio => InputBus::Virtio,
            InputType::Mouse | InputType::Keyboard if x86 => InputBus::Ps2,
            _ => InputBus::Usb,
        };
        input.bus.get_or_insert(bus);
    }
    let machines = machines.into_iter();
    let machines = machines.map(|kind| Input::new(kind, InputBus::Ps2));
    domain.devices.inputs.extend(machines);
    Ok(())
}

/// Whether the machine has ports for mouse and keyboard of its own.
fn has_ps2(domain: &Domain) -> bool {
    let off = domain
        .features
        .as_ref()
        .and_then(|f| f.ps2)
        .is_some_and(|state| !state.state.is_on());
    is_x86(domain) && !off
}

fn is_x86(domain: &Domain) -> bool {
    let arch = domain.os.kind.arch.unwrap_or_default();
    matches!(arch, Arch::X86_64 | Arch::I686)
}

fn is_there(domain: &Domain, kind: InputType) -> bool {
    let mut inputs = domain.devices.inputs.iter();
    inputs.any(|input| input.kind == kind && input.bus == Some(InputBus::Ps2))
}
