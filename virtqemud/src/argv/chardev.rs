//! Options of serial ports, parallel ports, channels and consoles.

use super::character::{self, SpicePurpose};
use super::command_line::Builder;
use super::context::StartContext;
use super::props::Props;
use serde_json::json;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::chardev::{
    Channel, ChannelTarget, CharType, Console, ConsoleType, Parallel, Serial, SerialModel,
    SerialType,
};
use virt_domain::devices::info::DeviceInfo;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The name by which the SPICE agent looks for its port.
const SPICE_AGENT: &str = "com.redhat.spice.0";

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for serial in &domain.devices.serials {
        append_serial(b, domain, context, serial)?;
    }
    for parallel in &domain.devices.parallels {
        append_parallel(b, context, parallel)?;
    }
    for channel in &domain.devices.channels {
        append_channel(b, domain, context, channel)?;
    }
    for console in &domain.devices.consoles {
        append_console(b, domain, context, console)?;
    }
    Ok(())
}

fn alias(info: &DeviceInfo) -> &str {
    info.alias().unwrap_or_default()
}

fn append_serial(
    b: &mut Builder,
    domain: &Domain,
    context: &mut StartContext,
    serial: &Serial,
) -> Result<()> {
    let name = alias(&serial.info);
    let chardev = character::append(b, context, &serial.source, name, SpicePurpose::Agent)?;
    let driver = match serial.target.model {
        Some(SerialModel::Pl011 | SerialModel::Uart16550a) => {
            // Part of the machine: it takes the back ends in their order.
            b.option("-serial", format!("chardev:{chardev}"));
            return Ok(());
        }
        Some(model) => model.word(),
        None if serial.target.kind == Some(SerialType::SystemSerial) => {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                "Invalid target model for serial device",
            ));
        }
        None => SerialModel::IsaSerial.word(),
    };
    let mut props = Props::device(driver)
        .with("chardev", chardev)
        .with("id", name);
    if serial.target.model == Some(SerialModel::IsaSerial) || serial.target.model.is_none() {
        props.put("index", serial.target.port.unwrap_or(0));
    }
    let props = props.placed(domain, &serial.info)?;
    b.device(&props);
    Ok(())
}

fn append_parallel(b: &mut Builder, context: &mut StartContext, parallel: &Parallel) -> Result<()> {
    let name = alias(&parallel.info);
    let chardev = character::append(b, context, &parallel.source, name, SpicePurpose::Agent)?;
    let props = Props::device("isa-parallel")
        .with("chardev", chardev)
        .with("id", name);
    b.device(&props);
    Ok(())
}

fn append_channel(
    b: &mut Builder,
    domain: &Domain,
    context: &mut StartContext,
    channel: &Channel,
) -> Result<()> {
    let name = alias(&channel.info);
    let chardev = character::append(b, context, &channel.source, name, SpicePurpose::Agent)?;
    match &channel.target {
        ChannelTarget::Virtio { name: port, .. } => {
            let port = port
                .as_deref()
                .or_else(|| (channel.source.kind() == CharType::Spicevmc).then_some(SPICE_AGENT));
            if let (CharType::Spicevmc, Some(other)) = (
                channel.source.kind(),
                port.filter(|port| *port != SPICE_AGENT),
            ) {
                return Err(Error::new(
                    ErrorCode::ConfigUnsupported,
                    ErrorDomain::Domain,
                    format!("Unsupported spicevmc target name '{other}'"),
                ));
            }
            let props = virtio_port(domain, "virtserialport", &channel.info)?
                .with("chardev", chardev)
                .with("id", name)
                .maybe("name", port);
            b.device(&props);
        }
        ChannelTarget::Guestfwd { address, port } => {
            let rule = format!("tcp:{address}:{port}-chardev:{chardev}");
            let props = Props::of("type", "user")
                .with("guestfwd", json!([{ "str": rule }]))
                .with("id", name);
            b.netdev(&props);
        }
        // Refused when it was defined.
        ChannelTarget::Xen { .. } => {}
    }
    Ok(())
}

/// A port of a virtio-serial controller, which says where it is before anything else.
fn virtio_port(domain: &Domain, driver: &str, info: &DeviceInfo) -> Result<Props> {
    let props = Props::device(driver);
    match &info.address {
        Some(Address::VirtioSerial(_)) => props.placed(domain, info),
        _ => Ok(props),
    }
}

fn append_console(
    b: &mut Builder,
    domain: &Domain,
    context: &mut StartContext,
    console: &Console,
) -> Result<()> {
    let name = alias(&console.info);
    let driver = match console.kind {
        Some(ConsoleType::Virtio) => "virtconsole",
        Some(ConsoleType::Sclp) => "sclpconsole",
        Some(ConsoleType::Sclplm) => "sclplmconsole",
        // A serial port under its other name; the rest was refused when it was defined.
        _ => return Ok(()),
    };
    let chardev = character::append(b, context, &console.source, name, SpicePurpose::Agent)?;
    let props = virtio_port(domain, driver, &console.info)?
        .with("chardev", chardev)
        .with("id", name);
    b.device(&props);
    Ok(())
}
