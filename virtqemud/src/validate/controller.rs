//! Checks of controllers against what QEMU and this driver can do.
//!
//! The texts of refusals are the stock daemon's, as watched.

use super::Context;
use crate::board::Board;
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel, PciModelName};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let board = Board::of(domain);
    for controller in &domain.devices.controllers {
        driver(controller)?;
        match controller.kind {
            ControllerKind::Usb => usb(controller)?,
            ControllerKind::Scsi => scsi(domain, controller, context)?,
            ControllerKind::Pci => pci(domain, controller, Board::of(domain), context)?,
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
        Some(M::Qusb1 | M::Qusb2) => {
            return Err(unsupported(
                "USB controller model type 'qusb1' or 'qusb2' is not supported in qemu",
            ));
        }
        Some(model) => model,
    };
    // What others make of them is found out when the command line is built.
    if let Some(ports) = controller.ports
        && matches!(model, M::NecXhci | M::QemuXhci)
        && ports > 15
    {
        return Err(unsupported(format!(
            "'{model}' controller only supports up to '15' ports"
        )));
    }
    if matches!(model, M::Qusb1 | M::Qusb2) {
        return Err(unsupported(
            "USB controller model type 'qusb1' or 'qusb2' is not supported in qemu",
        ));
    }
    Ok(())
}

/// Options that only virtio-scsi has.
fn driver(controller: &Controller) -> Result<()> {
    use ControllerModel as M;
    let virtio = controller.kind == ControllerKind::Scsi
        && matches!(
            controller.model,
            Some(M::VirtioScsi | M::VirtioTransitional | M::VirtioNonTransitional)
        );
    let Some(driver) = controller.driver.as_ref().filter(|_| !virtio) else {
        return Ok(());
    };
    for (given, what) in [
        (driver.queues.is_some(), "queues"),
        (driver.cmd_per_lun.is_some(), "cmd_per_lun"),
        (driver.max_sectors.is_some(), "max_sectors"),
        (driver.ioeventfd.is_some(), "ioeventfd"),
    ] {
        if given {
            return Err(unsupported(format!(
                "'{what}' is only supported by virtio-scsi controller"
            )));
        }
    }
    if driver.iothread.is_some() || driver.iothreads.is_some() {
        return Err(xml(
            "'iothread' attribute only supported for virtio scsi controllers",
        ));
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
        // Found out when the command line is built.
        M::Ibmvscsi => return Ok(()),
        M::Ncr53c90 => {
            return Err(unsupported(
                "ncr53c90 SCSI controller is not a built-in for this machine",
            ));
        }
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
    let Some(driver) = &controller.driver else {
        return Ok(());
    };
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

fn pci(domain: &Domain, controller: &Controller, board: Board, context: &Context) -> Result<()> {
    use ControllerModel as M;
    let Some(model) = controller.model else {
        return Err(xml(format!(
            "the PCI controller with index='{}' needs the attribute 'model'",
            controller.index()
        )));
    };
    // pSeries guests may have several host bridges.
    let is_only = matches!(model, M::PciRoot | M::PcieRoot) && board != Board::Pseries;
    if is_only && controller.index() > 0 {
        return Err(unsupported(format!(
            "Index for '{model}' controllers must be 0"
        )));
    }
    pci_options(domain, controller, board)?;
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

/// Which options a PCI controller may have, by its model.
fn pci_options(domain: &Domain, controller: &Controller, board: Board) -> Result<()> {
    use ControllerModel as M;
    use PciModelName as N;
    let (Some(model), index) = (controller.model, controller.index()) else {
        return Ok(());
    };
    let target = controller.target.unwrap_or_default();
    let pseries = board == Board::Pseries;
    if let Some(node) = target.node {
        let roots = matches!(model, M::PciRoot | M::PcieRoot);
        if roots && !(pseries && index > 0) {
            return Err(unsupported(format!(
                "The PCI controller with index={index} can't be associated with a NUMA node"
            )));
        }
        let nodes = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
        let nodes = nodes.map_or(0, |numa| numa.cells.len());
        if usize::try_from(node).map_or(true, |node| node >= nodes) {
            return Err(xml(format!(
                "{model} with index {index} is configured for a NUMA node ({node}) not present in \
                 the domain's <cpu><numa> array ({nodes})"
            )));
        }
    }
    let host_bridge = model == M::PciRoot && pseries;
    let name = controller.model_name.map(|model| model.name);
    let refuse = |option: &str, what: &str| {
        Err(unsupported(format!(
            "Option '{option}' {what} for PCI controller with index '{index}', model '{model}' and \
             modelName '{}'",
            name.map_or("none", |name| name.word())
        )))
    };
    let fits: &[N] = match model {
        M::PciRoot if pseries => &[N::SpaprPciHostBridge],
        M::PciBridge => &[N::PciBridge],
        M::DmiToPciBridge => &[N::I82801b11Bridge],
        M::PcieToPciBridge => &[N::PciePciBridge],
        M::PcieRootPort => &[N::Ioh3420, N::PcieRootPort],
        M::PcieSwitchUpstreamPort => &[N::X3130Upstream],
        M::PcieSwitchDownstreamPort => &[N::Xio3130Downstream],
        M::PciExpanderBus => &[N::Pxb],
        M::PcieExpanderBus => &[N::PxbPcie],
        _ => &[],
    };
    match name {
        Some(_) if fits.is_empty() => return refuse("modelName", "is not valid"),
        Some(name) if !fits.contains(&name) => return refuse("modelName", "has invalid value"),
        _ => {}
    }
    if target.index == Some(0) && index > 0 {
        return Err(unsupported(
            "Only the PCI controller with index 0 can have target index 0, and vice versa",
        ));
    }
    let port = matches!(model, M::PcieRootPort | M::PcieSwitchDownstreamPort);
    let expander = matches!(model, M::PciExpanderBus | M::PcieExpanderBus);
    for (given, option, has) in [
        (target.index.is_some(), "targetIndex", host_bridge),
        (
            target.chassis_nr.is_some(),
            "chassisNr",
            model == M::PciBridge,
        ),
        (target.chassis.is_some(), "chassis", port),
        (target.port.is_some(), "port", port),
        (target.bus_nr.is_some(), "busNr", expander),
        (target.node.is_some(), "numaNode", expander || host_bridge),
        (
            target.hotplug.is_some(),
            "hotplug",
            port || model == M::PciRoot,
        ),
        (
            target.mem_reserve.is_some(),
            "memReserve",
            matches!(model, M::PcieRootPort | M::PciBridge),
        ),
    ] {
        if given && !has {
            return refuse(option, "is not valid");
        }
    }
    Ok(())
}

fn xml(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}
