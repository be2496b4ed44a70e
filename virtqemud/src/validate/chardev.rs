//! Checks of character devices against what QEMU and this driver can do.

use super::Context;
use super::graphics::has_spice;
use super::refusal::unsupported;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::chardev::{
    ChannelTarget, CharBackend, CharSource, ConsoleType, SerialModel, SerialTarget, SerialType,
    TcpProtocol,
};
use virt_domain::devices::rng::RngBackend;
use virt_domain::devices::smartcard::SmartcardMode;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let devices = &domain.devices;
    let serials = devices.serials.iter().map(|d| &d.source);
    let parallels = devices.parallels.iter().map(|d| &d.source);
    let consoles = devices.consoles.iter().map(|d| &d.source);
    let redirdevs = devices.redirdevs.iter().map(|d| &d.source);
    for source in serials.chain(parallels).chain(consoles).chain(redirdevs) {
        back_end(domain, source)?;
    }
    for serial in &devices.serials {
        serial_target(&serial.target)?;
    }
    for channel in &devices.channels {
        back_end(domain, &channel.source)?;
        if matches!(channel.target, ChannelTarget::Xen { .. }) {
            return Err(unsupported("QEMU has no channels of type 'xen'"));
        }
    }
    for card in &devices.smartcards {
        if let SmartcardMode::Passthrough(source) = &card.kind {
            back_end(domain, source)?;
        }
    }
    for rng in &devices.rngs {
        if let RngBackend::Egd(source) = &rng.backend {
            back_end(domain, source)?;
        }
    }
    for console in &devices.consoles {
        match console.kind {
            None | Some(ConsoleType::Serial | ConsoleType::Virtio) => {}
            Some(kind @ (ConsoleType::Sclp | ConsoleType::Sclplm)) => {
                // One comes with the other.
                if !context.caps.has(CapFlag::Sclplmconsole) {
                    return Err(unsupported(format!(
                        "{kind}console is not supported in this QEMU binary"
                    )));
                }
            }
            Some(other) => {
                return Err(unsupported(format!(
                    "unsupported console target type {other}"
                )));
            }
        }
    }
    Ok(())
}

/// A device is of one kind of port.
fn serial_target(target: &SerialTarget) -> Result<()> {
    let (Some(kind), Some(model)) = (target.kind, target.model) else {
        return Ok(());
    };
    let its = match model {
        SerialModel::IsaSerial => SerialType::IsaSerial,
        SerialModel::UsbSerial => SerialType::UsbSerial,
        SerialModel::PciSerial => SerialType::PciSerial,
        SerialModel::SpaprVty => SerialType::SpaprVioSerial,
        SerialModel::Pl011 | SerialModel::Uart16550a => SerialType::SystemSerial,
        SerialModel::Sclpconsole | SerialModel::Sclplmconsole => SerialType::SclpSerial,
        SerialModel::IsaDebugcon => SerialType::IsaDebug,
    };
    if kind == its {
        return Ok(());
    }
    Err(unsupported(format!(
        "Target model '{model}' requires target type '{its}'"
    )))
}

fn back_end(domain: &Domain, source: &CharSource) -> Result<()> {
    match &source.backend {
        CharBackend::Unix {
            path: None,
            reconnect,
            ..
        } => {
            if reconnect.is_some_and(|again| again.enabled.is_yes()) {
                return Err(internal(
                    "chardev reconnect is possible only for connect mode",
                ));
            }
            Ok(())
        }
        CharBackend::Tcp { protocol, .. } => {
            if matches!(protocol, TcpProtocol::Tls | TcpProtocol::Telnets) {
                return Err(unsupported(format!(
                    "tcp chardev protocol '{protocol}' not supported"
                )));
            }
            Ok(())
        }
        CharBackend::Spicevmc | CharBackend::Spiceport { .. } if !has_spice(domain) => {
            Err(unsupported(format!(
                "chardev '{}' not supported without spice graphics",
                source.kind()
            )))
        }
        CharBackend::Nmdm { .. } => {
            Err(unsupported("QEMU has no character devices of type 'nmdm'"))
        }
        _ => Ok(()),
    }
}

fn internal(text: &str) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Domain, text)
}
