//! Options of controllers.
//!
//! Facts: `-device DRIVER,help` of QEMU 10.0; WIRE.md section 30.

use super::command_line::Builder;
use super::context::StartContext;
use super::disk::iothread_mapping;
use super::props::Props;
use super::{boot, virtio};
use crate::board::Board;
use crate::caps::{CapFlag, QemuCaps};
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_domain::devices::disk::DiskBus;
use virt_domain::devices::virtio::VirtioModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

/// The kinds that are devices before USB hubs, in their order.
const KINDS: [ControllerKind; 6] = [
    ControllerKind::Pci,
    ControllerKind::Usb,
    ControllerKind::Scsi,
    ControllerKind::Ide,
    ControllerKind::Sata,
    ControllerKind::VirtioSerial,
];

pub(super) fn append(b: &mut Builder, domain: &Domain, _: &mut StartContext) -> Result<()> {
    let board = Board::of(domain);
    for controller in &domain.devices.controllers {
        if let Some(kib) = controller.pcihole64 {
            let host = match board {
                Board::Q35 => "q35-pcihost",
                Board::I440fx => "i440FX-pcihost",
                _ => {
                    return Err(unsupported(
                        "pcihole64 is only supported by the pc and q35 machine types",
                    ));
                }
            };
            b.option("-global", format!("{host}.pci-hole64-size={kib}K"));
        }
    }
    let root = domain.devices.controllers.iter();
    let root = root
        .filter(|c| c.has_model(ControllerModel::PciRoot) && board == Board::I440fx)
        .find_map(|c| c.target.as_ref()?.hotplug);
    if let Some(hotplug) = root {
        if !b.caps.has(CapFlag::Piix4AcpiRootPciHotplug) {
            return Err(unsupported(
                "setting the hotplug property on a 'pci-root' device is not supported by this QEMU binary",
            ));
        }
        b.option(
            "-global",
            format!("PIIX4_PM.acpi-root-pci-hotplug={hotplug}"),
        );
    }
    KINDS
        .into_iter()
        .try_for_each(|kind| of_kind(b, domain, kind))
}

/// Readers of smart cards, which may sit at a hub.
pub(super) fn readers(b: &mut Builder, domain: &Domain) -> Result<()> {
    of_kind(b, domain, ControllerKind::Ccid)
}

fn of_kind(b: &mut Builder, domain: &Domain, kind: ControllerKind) -> Result<()> {
    let all = domain.devices.controllers.iter();
    for controller in all.filter(|controller| controller.kind == kind) {
        append_one(b, domain, controller)?;
    }
    Ok(())
}

/// Adds one controller, if it is a device.
pub(super) fn append_one(b: &mut Builder, domain: &Domain, controller: &Controller) -> Result<()> {
    if let Some(props) = device(b.caps, domain, Board::of(domain), controller)? {
        b.device(&props);
    }
    Ok(())
}

fn device(
    caps: &QemuCaps,
    domain: &Domain,
    board: Board,
    controller: &Controller,
) -> Result<Option<Props>> {
    let props = match controller.kind {
        ControllerKind::Pci => pci(controller)?,
        ControllerKind::Usb => usb(caps, domain, controller)?,
        ControllerKind::Scsi => Some(scsi(controller)?),
        // What the board has needs no option.
        ControllerKind::Ide if controller.index() == 0 && board.has_builtin_ide() => None,
        ControllerKind::Ide => {
            return Err(unsupported(
                "Only a single IDE controller is supported for this machine type",
            ));
        }
        ControllerKind::Sata if controller.index() == 0 && board == Board::Q35 => None,
        ControllerKind::Sata => Some(Props::device("ahci")),
        ControllerKind::VirtioSerial => Some(
            with_virtio("virtio-serial", controller)
                .maybe("max_ports", controller.ports)
                .maybe("vectors", controller.vectors),
        ),
        ControllerKind::Ccid => Some(Props::device("usb-ccid")),
        _ => None,
    };
    let Some(mut props) = props else {
        return Ok(None);
    };
    if !controller
        .model
        .is_some_and(ControllerModel::is_usb_companion)
    {
        props.put("id", controller.info.alias().unwrap_or_default());
    }
    if let Some(node) = controller.target.as_ref().and_then(|t| t.node) {
        props.put("numa_node", node);
    }
    props.placed(domain, &controller.info).map(Some)
}

fn pci(controller: &Controller) -> Result<Option<Props>> {
    use ControllerModel as M;
    let target = controller.target.unwrap_or_default();
    let Some(model) = controller.model else {
        return Ok(None);
    };
    if matches!(model, M::PciRoot | M::PcieRoot) {
        return Ok(None);
    }
    let name = controller.model_name.ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            format!("the PCI controller '{model}' has no model name"),
        )
    })?;
    let props = Props::device(name.name.word());
    Ok(Some(match model {
        M::PciBridge => props
            .maybe("chassis_nr", target.chassis_nr)
            .maybe("mem-reserve", target.mem_reserve.map(|kib| kib * 1024)),
        M::PciExpanderBus | M::PcieExpanderBus => props.maybe("bus_nr", target.bus_nr),
        M::PcieRootPort | M::PcieSwitchDownstreamPort => props
            .maybe("port", target.port)
            .maybe("chassis", target.chassis)
            .maybe("mem-reserve", target.mem_reserve.map(|kib| kib * 1024))
            .maybe(
                "hotplug",
                target
                    .hotplug
                    .filter(|h| *h == OnOff::Off)
                    .map(OnOff::is_on),
            ),
        _ => props,
    }))
}

/// QEMU's device of a USB controller, and what says that it is there.
fn usb_device(model: ControllerModel) -> Option<(&'static str, CapFlag)> {
    use ControllerModel as M;
    Some(match model {
        M::Piix3Uhci => ("piix3-usb-uhci", CapFlag::Piix3UsbUhci),
        M::Piix4Uhci => ("piix4-usb-uhci", CapFlag::Piix4UsbUhci),
        M::Ehci => ("usb-ehci", CapFlag::UsbEhci),
        M::Ich9Ehci1 => ("ich9-usb-ehci1", CapFlag::Ich9UsbEhci1),
        M::Ich9Uhci1 => ("ich9-usb-uhci1", CapFlag::Ich9UsbEhci1),
        M::Ich9Uhci2 => ("ich9-usb-uhci2", CapFlag::Ich9UsbEhci1),
        M::Ich9Uhci3 => ("ich9-usb-uhci3", CapFlag::Ich9UsbEhci1),
        M::Vt82c686bUhci => ("vt82c686b-usb-uhci", CapFlag::Vt82c686bUsbUhci),
        M::PciOhci => ("pci-ohci", CapFlag::PciOhci),
        M::NecXhci => ("nec-usb-xhci", CapFlag::NecUsbXhci),
        M::QemuXhci => ("qemu-xhci", CapFlag::QemuXhci),
        _ => return None,
    })
}

fn usb(caps: &QemuCaps, domain: &Domain, controller: &Controller) -> Result<Option<Props>> {
    let Some(model) = controller.model else {
        return Err(unsupported("no model provided for USB controller"));
    };
    if model == ControllerModel::None {
        return Ok(None);
    }
    let device = usb_device(model).filter(|(_, flag)| caps.has(*flag));
    let Some((driver, _)) = device else {
        return Err(unsupported(format!(
            "USB controller model '{model}' not supported in this QEMU binary"
        )));
    };
    if controller.ports.is_some()
        && !matches!(model, ControllerModel::NecXhci | ControllerModel::QemuXhci)
    {
        return Err(unsupported(format!(
            "usb controller type '{model}' doesn't support 'ports' with this QEMU binary"
        )));
    }
    let props = Props::device(driver)
        .maybe("p2", controller.ports)
        .maybe("p3", controller.ports);
    if !model.is_usb_companion() {
        return Ok(Some(props));
    }
    let led = domain.devices.controllers.iter().any(|other| {
        other.is(ControllerKind::Usb, controller.index()) && other.info.master.is_none()
    });
    if !led {
        return Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            "masterbus not found",
        ));
    }
    let master = super::place::bus_name(domain, ControllerKind::Usb, controller.index())?;
    Ok(Some(props.with("masterbus", format!("{master}.0")).with(
        "firstport",
        controller.info.master.map_or(0, |m| m.startport),
    )))
}

/// QEMU's device of a SCSI controller that isn't virtio.
fn scsi_device(model: ControllerModel) -> Option<&'static str> {
    use ControllerModel as M;
    Some(match model {
        M::Lsilogic => "lsi",
        M::Lsisas1068 => "mptsas1068",
        M::Lsisas1078 => "megasas",
        M::Vmpvscsi => "pvscsi",
        M::Ibmvscsi => "spapr-vscsi",
        M::Dc390 => "dc-390",
        M::Am53c974 => "am53c974",
        _ => return None,
    })
}

fn scsi(controller: &Controller) -> Result<Props> {
    use ControllerModel as M;
    let Some(model) = controller.model else {
        return Err(unsupported("no model provided for SCSI controller"));
    };
    if !matches!(
        model,
        M::VirtioScsi | M::VirtioTransitional | M::VirtioNonTransitional
    ) {
        return scsi_device(model)
            .map(Props::device)
            .ok_or_else(|| unsupported(format!("Unsupported SCSI controller model '{model}'")));
    }
    let props = with_virtio("virtio-scsi", controller);
    let Some(driver) = &controller.driver else {
        return Ok(props);
    };
    Ok(props
        .maybe("iothread", driver.iothread.map(|n| format!("iothread{n}")))
        .maybe(
            "iothread-vq-mapping",
            driver.iothreads.as_ref().map(iothread_mapping),
        )
        .maybe("num_queues", driver.queues)
        .maybe("cmd_per_lun", driver.cmd_per_lun)
        .maybe("max_sectors", driver.max_sectors)
        .maybe("ioeventfd", driver.ioeventfd.map(OnOff::is_on)))
}

fn with_virtio(name: &str, controller: &Controller) -> Props {
    let model = match controller.model {
        Some(ControllerModel::VirtioTransitional) => Some(VirtioModel::VirtioTransitional),
        Some(ControllerModel::VirtioNonTransitional) => Some(VirtioModel::VirtioNonTransitional),
        _ => None,
    };
    virtio::device(name, model, &controller.info)
        .with_virtio(controller.driver.as_ref().map(|d| &d.virtio))
}

/// The floppy controller, which says from which drive is booted.
pub(super) fn floppies(b: &mut Builder, domain: &Domain) {
    let board = Board::of(domain);
    let explicit = board.has_explicit_fdc();
    let mut fdc = Props::device("isa-fdc");
    let mut any = false;
    for (at, disk) in domain.devices.disks.iter().enumerate() {
        if disk.bus() != DiskBus::Fdc {
            continue;
        }
        any = true;
        let Some(index) = boot::disk(domain, at) else {
            continue;
        };
        let address = disk.info.address.as_ref().and_then(Address::drive);
        let letter = if address.is_some_and(|a| a.unit == 1) {
            "B"
        } else {
            "A"
        };
        if explicit {
            fdc.put(&format!("bootindex{letter}"), index);
        } else {
            b.option("-global", format!("isa-fdc.bootindex{letter}={index}"));
        }
    }
    if any && explicit {
        b.device(&fdc);
    }
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}
