//! Checks of controllers against what QEMU and this driver can do.
//!
//! The texts of refusals are the stock daemon's, as watched.

use super::Context;
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let board = Board::of(domain);
    for controller in &domain.devices.controllers {
        match controller.kind {
            ControllerKind::Usb => usb(controller)?,
            ControllerKind::Scsi => scsi(domain, controller, context)?,
            ControllerKind::Pci => pci(controller, Board::of(domain), context)?,
            ControllerKind::Ide if controller.index() > 0 || !board.has_builtin_ide() => {
                return Err(unsupported(if board.has_builtin_ide() {
                    "Only a single IDE controller is supported for this machine type"
                } else {
                    "IDE controllers are unsupported for this QEMU binary or machine type"
                }));
            }
            ControllerKind::Sata if !context.caps.has(CapFlag::Ich9Ahci) => {
                return Err(unsupported("SATA is not supported with this QEMU binary"));
            }
            ControllerKind::Nvme | ControllerKind::Xenbus | ControllerKind::Isa => {
                return Err(unsupported(format!(
                    "controllers of type '{}' are not supported by this driver",
                    controller.kind
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

fn usb(controller: &Controller) -> Result<()> {
    use ControllerModel as M;
    let model = match controller.model {
        // Found out when the command line is built, as the stock daemon does.
        None | Some(M::None) => return Ok(()),
        Some(model) => model,
    };
    if let Some(ports) = controller.ports {
        if !matches!(model, M::NecXhci | M::QemuXhci) {
            return Err(unsupported(format!(
                "'{model}' controller doesn't support 'ports' attribute"
            )));
        }
        if ports > 15 {
            return Err(unsupported(format!(
                "'{model}' controller only supports up to '15' ports"
            )));
        }
    }
    Ok(())
}

fn scsi(domain: &Domain, controller: &Controller, context: &Context) -> Result<()> {
    use ControllerModel as M;
    let Some(model) = controller.model else {
        return Err(unsupported(
            "no model provided for SCSI controller and QEMU has none that could be used",
        ));
    };
    let flag = match model {
        M::Lsilogic => CapFlag::Lsi,
        M::VirtioScsi | M::VirtioTransitional | M::VirtioNonTransitional => CapFlag::VirtioScsiPci,
        M::Lsisas1078 => CapFlag::Megasas,
        M::Lsisas1068 => CapFlag::Mptsas1068,
        M::Vmpvscsi => CapFlag::Pvscsi,
        M::Dc390 => CapFlag::Dc390,
        M::Am53c974 => CapFlag::Am53c974,
        other => {
            return Err(unsupported(format!(
                "Unsupported controller model: {other}"
            )));
        }
    };
    if !context.caps.has(flag) {
        return Err(unsupported(format!(
            "Unsupported controller model: {model}"
        )));
    }
    let virtio = flag == CapFlag::VirtioScsiPci;
    let Some(driver) = &controller.driver else {
        return Ok(());
    };
    if !virtio {
        for (given, what) in [
            (driver.queues.is_some(), "queues"),
            (driver.cmd_per_lun.is_some(), "cmd_per_lun"),
            (driver.max_sectors.is_some(), "max_sectors"),
            (driver.ioeventfd.is_some(), "ioeventfd"),
            (
                driver.iothread.is_some() || driver.iothreads.is_some(),
                "iothread",
            ),
        ] {
            if given {
                return Err(unsupported(format!(
                    "'{what}' is only supported by virtio-scsi controller"
                )));
            }
        }
    }
    let several = driver
        .iothreads
        .iter()
        .flat_map(|m| &m.threads)
        .map(|t| t.id);
    for id in driver.iothread.into_iter().chain(several) {
        if !domain.iothread_ids().iter().any(|t| t.id == id) {
            return Err(unsupported(format!(
                "controller iothread '{id}' not defined in iothreadid"
            )));
        }
    }
    Ok(())
}

fn pci(controller: &Controller, board: Board, context: &Context) -> Result<()> {
    use ControllerModel as M;
    let Some(model) = controller.model else {
        return Err(Error::new(
            ErrorCode::XmlError,
            ErrorDomain::Domain,
            format!(
                "the PCI controller with index='{}' needs the attribute 'model'",
                controller.index()
            ),
        ));
    };
    // pSeries guests may have several host bridges.
    let is_only = matches!(model, M::PciRoot | M::PcieRoot) && board != Board::Pseries;
    if is_only && controller.index() > 0 {
        return Err(unsupported(format!(
            "Index for '{model}' controllers must be 0"
        )));
    }
    let flag = match model {
        M::PciBridge => CapFlag::PciBridge,
        M::DmiToPciBridge => CapFlag::DmiToPciBridge,
        M::PcieToPciBridge => CapFlag::PciePciBridge,
        M::PcieRootPort => CapFlag::PcieRootPort,
        M::PcieSwitchUpstreamPort => CapFlag::X3130Upstream,
        M::PcieSwitchDownstreamPort => CapFlag::Xio3130Downstream,
        M::PciExpanderBus => CapFlag::Pxb,
        M::PcieExpanderBus => CapFlag::PxbPcie,
        _ => return Ok(()),
    };
    let older_port = model == M::PcieRootPort && context.caps.has(CapFlag::Ioh3420);
    if !context.caps.has(flag) && !older_port {
        return Err(unsupported(format!(
            "the PCI controller model '{model}' is not supported in this QEMU binary"
        )));
    }
    Ok(())
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}
