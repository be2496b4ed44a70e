//! Where a device sits, as properties of `-device`.
//!
//! Facts: `-device DRIVER,help` of QEMU 10.0: `bus`, `addr`, `multifunction`, `port`, `nr`, `slot`.

use super::props::Props;
use crate::aliases::is_narrow;
use crate::board::Board;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, DriveAddress};
use virt_domain::devices::controller::{Controller, ControllerKind, ControllerModel};
use virt_domain::devices::info::DeviceInfo;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

impl Props {
    /// Adds where the device sits. Drives say it themselves, since their properties depend on the
    /// controller's kind.
    ///
    /// # Errors
    /// INTERNAL_ERROR when the address names a controller that is not there.
    pub(in crate::argv) fn placed(mut self, domain: &Domain, info: &DeviceInfo) -> Result<Self> {
        self.on_virtio_bus(info)?;
        match &info.address {
            Some(Address::Pci(pci)) => {
                let bus = bus_name(domain, ControllerKind::Pci, u32::from(pci.bus))?;
                self.put("bus", bus);
                if let Some(multifunction) = pci.multifunction {
                    self.put("multifunction", multifunction == OnOff::On);
                }
                let addr = match pci.function {
                    0 => format!("0x{:x}", pci.slot),
                    function => format!("0x{:x}.0x{function:x}", pci.slot),
                };
                self.put("addr", addr);
                if let Some(index) = info.acpi.and_then(|a| a.index).filter(|i| *i > 0) {
                    self.put("acpi-index", index);
                }
            }
            Some(Address::Usb(usb)) => {
                let bus = bus_name(domain, ControllerKind::Usb, usb.bus)?;
                self.put("bus", format!("{bus}.0"));
                if !usb.port.is_empty() {
                    self.put("port", usb.port.to_string());
                }
            }
            Some(Address::VirtioSerial(serial)) => {
                let bus = bus_name(domain, ControllerKind::VirtioSerial, serial.controller)?;
                self.put("bus", format!("{bus}.{}", serial.bus));
                self.put("nr", serial.port.unwrap_or(0));
            }
            Some(Address::Ccid(ccid)) => {
                let bus = bus_name(domain, ControllerKind::Ccid, ccid.controller)?;
                self.put("bus", format!("{bus}.0"));
            }
            Some(Address::SpaprVio(vio)) => {
                if let Some(reg) = vio.reg {
                    self.put("reg", reg);
                }
            }
            Some(Address::Ccw(ccw)) => {
                if let Some(number) = ccw.number {
                    self.put(
                        "devno",
                        format!("{:x}.{:x}.{:04x}", number.cssid, number.ssid, number.devno),
                    );
                }
            }
            Some(Address::Isa(isa)) => {
                self.put("iobase", isa.iobase.unwrap_or(0));
                if let Some(irq) = isa.irq.filter(|irq| *irq > 0) {
                    self.put("irq", irq);
                }
            }
            // Only what is no disk and no memory comes here with these, by mistake; QEMU refuses it.
            Some(Address::Drive(drive)) => self = self.on_scsi(domain, *drive)?,
            Some(Address::Dimm(dimm)) => {
                self = self.maybe("slot", dimm.slot).maybe("addr", dimm.base);
            }
            Some(Address::VirtioMmio | Address::Unassigned) | None => {}
        }
        Ok(self)
    }

    /// Adds where a unit sits on a SCSI bus.
    ///
    /// # Errors
    /// INTERNAL_ERROR when the address names a controller that is not there.
    pub(in crate::argv) fn on_scsi(self, domain: &Domain, at: DriveAddress) -> Result<Self> {
        let controllers = &domain.devices.controllers;
        if !controllers
            .iter()
            .any(|c| c.is(ControllerKind::Scsi, at.controller))
        {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                format!("unable to find a SCSI controller for idx={}", at.controller),
            ));
        }
        let bus = bus_name(domain, ControllerKind::Scsi, at.controller)?;
        let props = self.with("bus", format!("{bus}.{}", at.bus));
        Ok(if is_narrow(controllers, at.controller) {
            props.with("scsi-id", at.unit)
        } else {
            props
                .with("channel", 0)
                .with("scsi-id", at.target)
                .with("lun", at.unit)
        })
    }

    /// Refuses virtio devices that sit where there is no virtio.
    fn on_virtio_bus(&self, info: &DeviceInfo) -> Result<()> {
        let driver = self.get("driver").and_then(serde_json::Value::as_str);
        let name = driver
            .and_then(|driver| driver.split_once("-pci"))
            .map(|(name, _)| name);
        let virtio = name.filter(|name| name.starts_with("virtio-") || name.starts_with("vhost-"));
        let elsewhere = !matches!(info.address, Some(Address::Pci(_)) | None);
        match virtio.filter(|_| elsewhere) {
            Some(name) => Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                format!("Unexpected address type for '{name}'"),
            )),
            None => Ok(()),
        }
    }
}

/// The name of the controller of that kind and number.
pub(in crate::argv) fn bus_name(
    domain: &Domain,
    kind: ControllerKind,
    index: u32,
) -> Result<String> {
    let board = Board::of(domain);
    domain
        .devices
        .controllers
        .iter()
        .find(|c| c.is(kind, index))
        .and_then(|c| builtin_name(board, c).or_else(|| c.info.alias()))
        .map(str::to_owned)
        .ok_or_else(|| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                format!("Could not find {kind} controller with index {index} required for device"),
            )
        })
}

/// QEMU's own name of what the board brings along, whatever name the user gave it.
fn builtin_name(board: Board, controller: &Controller) -> Option<&'static str> {
    match controller.kind {
        ControllerKind::Pci if controller.has_model(ControllerModel::PcieRoot) => Some("pcie.0"),
        ControllerKind::Pci
            if controller.index() == 0 && controller.has_model(ControllerModel::PciRoot) =>
        {
            Some("pci.0")
        }
        ControllerKind::Ide if controller.index() == 0 && board.has_builtin_ide() => Some("ide"),
        ControllerKind::Sata if controller.index() == 0 && board == Board::Q35 => Some("ide"),
        _ => None,
    }
}
