//! Checks of character devices against what QEMU and this driver can do.

use super::Context;
use super::graphics::has_spice;
use super::refusal::unsupported;
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::arch::Arch;
use virt_domain::devices::chardev::{
    CharBackend, CharSource, ConsoleType, SerialModel, SerialTarget, SerialType, TcpProtocol,
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
        serial_target(domain, &serial.target)?;
    }
    for channel in &devices.channels {
        back_end(domain, &channel.source)?;
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

/// A device is of one kind of port, which not every board has.
fn serial_target(domain: &Domain, target: &SerialTarget) -> Result<()> {
    let (Some(kind), Some(model)) = (target.kind, target.model) else {
        return Ok(());
    };
    let board = Board::of(domain);
    let arm = matches!(
        domain.os.kind.arch.unwrap_or_default(),
        Arch::Aarch64 | Arch::Armv6l | Arch::Armv7l
    );
    let (its, there) = match model {
        SerialModel::IsaSerial => (SerialType::IsaSerial, board.has_isa()),
        SerialModel::UsbSerial => (SerialType::UsbSerial, true),
        SerialModel::PciSerial => (SerialType::PciSerial, true),
        SerialModel::SpaprVty => (SerialType::SpaprVioSerial, board == Board::Pseries),
        SerialModel::Pl011 => (SerialType::SystemSerial, arm),
        SerialModel::Uart16550a => (
            SerialType::SystemSerial,
            matches!(board, Board::RiscvVirt | Board::LoongarchVirt),
        ),
        SerialModel::Sclpconsole | SerialModel::Sclplmconsole => {
            (SerialType::SclpSerial, board == Board::S390Ccw)
        }
        SerialModel::IsaDebugcon => (SerialType::IsaDebug, board.has_isa()),
    };
    if kind != its {
        return Err(unsupported(format!(
            "Target model '{model}' requires target type '{its}'"
        )));
    }
    if !there {
        return Err(unsupported(format!(
            "Serial device with target type '{kind}' and target model '{model}' not compatible with \
             guest architecture or machine type"
        )));
    }
    Ok(())
}

fn back_end(domain: &Domain, source: &CharSource) -> Result<()> {
    match &source.backend {
        CharBackend::Unix {
            path: None,
            reconnect,
            ..
        } => {
            if reconnect.is_some() {
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
        _ => Ok(()),
    }
}

fn internal(text: &str) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Domain, text)
}
