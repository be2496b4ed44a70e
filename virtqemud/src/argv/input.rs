//! Options of input devices.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use super::virtio;
use virt_domain::Domain;
use virt_domain::devices::input::{Grab, Input, InputBus, InputType};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

pub(super) fn append(b: &mut Builder, domain: &Domain, _context: &mut StartContext) -> Result<()> {
    let mut inputs = domain.devices.inputs.iter();
    inputs.try_for_each(|input| append_one(b, domain, input))
}

pub(super) fn append_one(b: &mut Builder, domain: &Domain, input: &Input) -> Result<()> {
    let props = match (input.bus, input.kind) {
        (_, InputType::Evdev) => {
            append_evdev(b, input)?;
            return Ok(());
        }
        (Some(InputBus::Usb), kind) => usb(kind, input),
        (Some(InputBus::Virtio), kind) => on_virtio(kind, input),
        // The machine has them.
        _ => return Ok(()),
    };
    let props = props.placed(domain, &input.info)?;
    b.device(&props);
    Ok(())
}

fn usb(kind: InputType, input: &Input) -> Props {
    let driver = match kind {
        InputType::Mouse => "usb-mouse",
        InputType::Keyboard => "usb-kbd",
        _ => "usb-tablet",
    };
    Props::device(driver).maybe("id", input.info.alias())
}

fn on_virtio(kind: InputType, input: &Input) -> Props {
    let name = match kind {
        InputType::Mouse => "virtio-mouse",
        InputType::Keyboard => "virtio-keyboard",
        InputType::Tablet => "virtio-tablet",
        InputType::Passthrough | InputType::Evdev => "virtio-input-host",
    };
    virtio::device(name, input.model, &input.info)
        .with_virtio(Some(&input.virtio))
        .maybe("id", input.info.alias())
        .maybe("evdev", input.source.as_ref().map(|s| s.path.clone()))
}

/// A device of the host that QEMU reads is an object.
fn append_evdev(b: &mut Builder, input: &Input) -> Result<()> {
    let source = input.source.as_ref().ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::None,
            "argument key 'evdev' must not have null value",
        )
    })?;
    let object = Props::of("qom-type", "input-linux")
        .maybe("id", input.info.alias())
        .with("evdev", source.path.clone())
        .maybe("grab_all", (source.grab == Some(Grab::All)).then_some(true))
        .maybe("repeat", source.repeat.map(OnOff::is_on))
        .maybe("grab-toggle", source.grab_toggle.map(|t| t.word()));
    b.object(&object);
    Ok(())
}
