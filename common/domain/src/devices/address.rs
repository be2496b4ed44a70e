//! Where a device sits on its bus: `<address type=…>`.
//!
//! Facts: formatdomain "Device addresses"; domaincommon.rng; the texts of refusals are the stock
//! daemon's.

use std::fmt;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, OnOff, Tag, Writer};

/// Where a device sits on its bus.
#[derive(Debug, Clone, PartialEq)]
pub enum Address {
    /// On a PCI bus.
    Pci(PciAddress),
    /// On a disk controller.
    Drive(DriveAddress),
    /// A port of a virtio-serial controller.
    VirtioSerial(VirtioSerialAddress),
    /// A slot of a smart card reader.
    Ccid(CcidAddress),
    /// A port of a USB bus.
    Usb(UsbAddress),
    /// On the virtual I/O bus of pSeries guests.
    SpaprVio(SpaprVioAddress),
    /// On the channel subsystem of s390x guests.
    Ccw(CcwAddress),
    /// On the ISA bus.
    Isa(IsaAddress),
    /// A memory slot.
    Dimm(DimmAddress),
    /// Among the memory mapped virtio devices.
    VirtioMmio,
    /// Not in the guest: a host device that is only taken from the host.
    Unassigned,
}

/// A PCI address. All zeros in domain, bus and slot means "any".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PciAddress {
    /// 0 to 0xffff.
    pub domain: u16,
    /// 0 to 0xff; in a guest's address the index of the controller.
    pub bus: u8,
    /// 0 to 0x1f.
    pub slot: u8,
    /// 0 to 7.
    pub function: u8,
    /// Whether the slot has more than this function.
    pub multifunction: Option<OnOff>,
    /// The part that s390x guests see.
    pub zpci: Option<ZpciAddress>,
}

/// What an s390x guest knows a PCI device by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ZpciAddress {
    /// 1 to 0xffff.
    pub uid: Option<u16>,
    /// Any number.
    pub fid: Option<u32>,
}

/// An address on a disk controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DriveAddress {
    /// Index of the controller of the bus's type.
    pub controller: u32,
    /// Channel of the controller.
    pub bus: u32,
    /// SCSI target.
    pub target: u32,
    /// Unit on the channel or target.
    pub unit: u32,
}

/// A port of a virtio-serial controller; a port that wasn't given is chosen later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VirtioSerialAddress {
    /// Index of the controller.
    pub controller: u32,
    /// Always 0.
    pub bus: u32,
    /// 0 is reserved for the first console; absent or 0 means "any" for other ports.
    pub port: Option<u32>,
}

/// A slot of a smart card reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CcidAddress {
    /// Index of the controller.
    pub controller: u32,
    /// Slot in the reader.
    pub slot: u32,
}

/// A port of a USB bus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsbAddress {
    /// Index of the controller.
    pub bus: u32,
    /// The port, through up to three hubs: empty means "any".
    pub port: UsbPort,
}

/// A port path such as `1.2`: at most four numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UsbPort([u32; 4]);

impl UsbPort {
    /// The path of those numbers; numbers start at 1, 0 ends the path.
    pub fn new(path: [u32; 4]) -> Self {
        Self(path)
    }

    /// Reads `1`, `1.2`, …; at most four numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let mut path = [0; 4];
        let mut parts = text.split('.');
        for place in &mut path {
            let Some(part) = parts.next() else { break };
            *place = part.parse().ok()?;
        }
        parts.next().is_none().then_some(Self(path))
    }

    /// The numbers of the path.
    pub fn path(&self) -> &[u32] {
        let len = self.0.iter().position(|n| *n == 0).unwrap_or(4);
        &self.0[..len]
    }

    /// Whether no port was chosen.
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// The path extended by one number; nothing if it is full.
    pub fn child(&self, port: u32) -> Option<Self> {
        let len = self.path().len();
        let mut path = self.0;
        *path.get_mut(len)? = port;
        Some(Self(path))
    }
}

impl fmt::Display for UsbPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.path().iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write!(f, "{number}")?;
        }
        Ok(())
    }
}

/// A place on the virtual I/O bus of pSeries guests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpaprVioAddress {
    /// Absent means "any".
    pub reg: Option<u64>,
}

/// A place on the channel subsystem of s390x guests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CcwAddress {
    /// The number; absent means "any".
    pub number: Option<CcwNumber>,
}

/// A device number on the channel subsystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CcwNumber {
    /// 0 to 0xfe; 0xfe for virtual devices.
    pub cssid: u32,
    /// 0 to 3.
    pub ssid: u32,
    /// 0 to 0xffff.
    pub devno: u32,
}

/// A place on the ISA bus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IsaAddress {
    /// First I/O port.
    pub iobase: Option<u32>,
    /// Interrupt line.
    pub irq: Option<u32>,
}

/// A memory slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DimmAddress {
    /// The slot; absent means "any".
    pub slot: Option<u32>,
    /// Guest-physical address of the first byte.
    pub base: Option<u64>,
}

impl Address {
    /// The word of `type`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pci(_) => "pci",
            Self::Drive(_) => "drive",
            Self::VirtioSerial(_) => "virtio-serial",
            Self::Ccid(_) => "ccid",
            Self::Usb(_) => "usb",
            Self::SpaprVio(_) => "spapr-vio",
            Self::Ccw(_) => "ccw",
            Self::Isa(_) => "isa",
            Self::Dimm(_) => "dimm",
            Self::VirtioMmio => "virtio-mmio",
            Self::Unassigned => "unassigned",
        }
    }

    /// The PCI address, if it is one.
    pub fn pci(&self) -> Option<&PciAddress> {
        match self {
            Self::Pci(pci) => Some(pci),
            _ => None,
        }
    }

    /// The drive address, if it is one.
    pub fn drive(&self) -> Option<&DriveAddress> {
        match self {
            Self::Drive(drive) => Some(drive),
            _ => None,
        }
    }

    /// The USB address, if it is one.
    pub fn usb(&self) -> Option<&UsbAddress> {
        match self {
            Self::Usb(usb) => Some(usb),
            _ => None,
        }
    }
}

impl PciAddress {
    /// An address in domain 0.
    pub fn new(bus: u8, slot: u8, function: u8) -> Self {
        Self {
            bus,
            slot,
            function,
            ..Self::default()
        }
    }

    /// Whether it says no more than that an address is wanted.
    pub fn is_any(&self) -> bool {
        self.domain == 0 && self.bus == 0 && self.slot == 0
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}:{:02x}:{:02x}.{:x}",
            self.domain, self.bus, self.slot, self.function
        )
    }
}

/// A number as addresses write them: decimal, hexadecimal behind `0x`, octal behind another `0`
/// (strtoul(3) with base 0).
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = unsigned(text);
    match prefixed(digits) {
        Some(hex) => in_base(hex, 16),
        None if digits.starts_with('0') && digits.len() > 1 => in_base(digits, 8),
        None => in_base(digits, 10),
    }
}

/// A number that is hexadecimal with and without `0x`.
pub(crate) fn hexadecimal(text: &str) -> Option<u64> {
    let digits = unsigned(text);
    in_base(prefixed(digits).unwrap_or(digits), 16)
}

/// What strtoul(3) skips in front; it skips nothing behind.
fn unsigned(text: &str) -> &str {
    let digits = text.trim_ascii_start();
    digits.strip_prefix('+').unwrap_or(digits)
}

fn prefixed(digits: &str) -> Option<&str> {
    digits.strip_prefix("0x").or(digits.strip_prefix("0X"))
}

fn in_base(digits: &str, base: u32) -> Option<u64> {
    let all = digits.chars().all(|digit| digit.is_digit(base));
    all.then(|| u64::from_str_radix(digits, base).ok())
        .flatten()
}

fn numeric(node: &mut Node<'_>, name: &str) -> Result<Option<u64>> {
    match node.attr::<String>(name)? {
        None => Ok(None),
        Some(text) => number(&text)
            .map(Some)
            .ok_or_else(|| node.bad_attr(name, &text, "a number such as 5 or 0x05")),
    }
}

/// A number that is decimal only.
fn small(node: &mut Node<'_>, name: &str) -> Result<Option<u32>> {
    node.attr(name)
}

/// A number in any of the bases of [`number`].
fn small_of_any_base(node: &mut Node<'_>, name: &str) -> Result<Option<u32>> {
    let number = numeric(node, name)?;
    number
        .map(|n| {
            u32::try_from(n).map_err(|_| node.bad_attr(name, &n.to_string(), "at most 4294967295"))
        })
        .transpose()
}

/// A number that is hexadecimal with and without `0x`.
fn hexadecimal_of(node: &mut Node<'_>, name: &str) -> Result<Option<u64>> {
    let Some(text) = node.attr::<String>(name)? else {
        return Ok(None);
    };
    hexadecimal(&text)
        .map(Some)
        .ok_or_else(|| node.bad_attr(name, &text, "a hexadecimal number such as 0x3f8"))
}

fn small_hexadecimal(node: &mut Node<'_>, name: &str) -> Result<Option<u32>> {
    let number = hexadecimal_of(node, name)?;
    number
        .map(|n| {
            u32::try_from(n).map_err(|_| node.bad_attr(name, &n.to_string(), "at most 0xffffffff"))
        })
        .transpose()
}

fn refused(text: String) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

impl Element for PciAddress {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let field = |node: &mut Node<'_>, name: &str, top: u64, shown: &str| -> Result<u64> {
            let value = numeric(node, name)?.unwrap_or(0);
            if value > top {
                return Err(refused(format!(
                    "Invalid PCI address {name}='0x{value:x}', must be <= {shown}"
                )));
            }
            Ok(value)
        };
        let domain = field(node, "domain", 0xffff, "0xFFFF")?;
        let bus = field(node, "bus", 0xff, "0xFF")?;
        let slot = field(node, "slot", 0x1f, "0x1F")?;
        let function = numeric(node, "function")?.unwrap_or(0);
        if function > 7 {
            return Err(refused(format!(
                "Invalid PCI address function=0x{function:x}, must be <= 7"
            )));
        }
        // Each was checked to fit just above.
        Ok(Self {
            domain: domain as u16,
            bus: bus as u8,
            slot: slot as u8,
            function: function as u8,
            multifunction: node.attr("multifunction")?,
            // One that says nothing is none.
            zpci: node
                .child("zpci")?
                .filter(|zpci| *zpci != ZpciAddress::default()),
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("domain", &format!("0x{:04x}", self.domain));
        tag.attr("bus", &format!("0x{:02x}", self.bus));
        tag.attr("slot", &format!("0x{:02x}", self.slot));
        tag.attr("function", &format!("0x{:x}", self.function));
        tag.maybe("multifunction", &self.multifunction);
    }

    fn content(&self, out: &mut Writer) {
        if let Some(zpci) = &self.zpci {
            out.element("zpci", zpci);
        }
    }
}

impl Element for ZpciAddress {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let uid = match numeric(node, "uid")? {
            None => None,
            Some(uid @ 1..=0xffff) => Some(uid as u16),
            Some(uid) => {
                return Err(refused(format!(
                    "Invalid PCI address uid='0x{uid:04x}', must be > 0x0000 and <= 0xffff"
                )));
            }
        };
        Ok(Self {
            uid,
            fid: small_of_any_base(node, "fid")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("uid", &self.uid.map(|n| format!("0x{n:04x}")));
        tag.maybe("fid", &self.fid.map(|n| format!("0x{n:08x}")));
    }

    fn content(&self, _: &mut Writer) {}
}

impl Element for Address {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = node.required::<String>("type")?;
        Ok(match kind.as_str() {
            "pci" => Self::Pci(PciAddress::read(node)?),
            "drive" => Self::Drive(DriveAddress {
                controller: small(node, "controller")?.unwrap_or(0),
                bus: small(node, "bus")?.unwrap_or(0),
                target: small(node, "target")?.unwrap_or(0),
                unit: small(node, "unit")?.unwrap_or(0),
            }),
            "virtio-serial" => Self::VirtioSerial(VirtioSerialAddress {
                controller: small(node, "controller")?.unwrap_or(0),
                bus: small(node, "bus")?.unwrap_or(0),
                port: small(node, "port")?,
            }),
            "ccid" => Self::Ccid(CcidAddress {
                controller: small(node, "controller")?.unwrap_or(0),
                slot: small(node, "slot")?.unwrap_or(0),
            }),
            "usb" => Self::Usb(UsbAddress {
                bus: small(node, "bus")?.unwrap_or(0),
                port: match node.attr::<String>("port")? {
                    None => UsbPort::default(),
                    Some(text) => UsbPort::parse(&text).ok_or_else(|| {
                        Error::new(
                            ErrorCode::InternalError,
                            ErrorDomain::Domain,
                            "Cannot parse <address> 'port' attribute",
                        )
                    })?,
                },
            }),
            "spapr-vio" => Self::SpaprVio(SpaprVioAddress {
                reg: hexadecimal_of(node, "reg")?,
            }),
            "ccw" => Self::Ccw(CcwAddress {
                number: ccw_number(node)?,
            }),
            "isa" => Self::Isa(IsaAddress {
                iobase: small_hexadecimal(node, "iobase")?,
                irq: small_hexadecimal(node, "irq")?,
            }),
            "dimm" => Self::Dimm(DimmAddress {
                slot: Some(match small(node, "slot")? {
                    Some(slot) => slot,
                    None => node.required("slot")?,
                }),
                base: hexadecimal_of(node, "base")?,
            }),
            "virtio-mmio" => Self::VirtioMmio,
            "unassigned" => Self::Unassigned,
            _ => {
                return Err(node.bad_attr(
                    "type",
                    &kind,
                    "pci, drive, virtio-serial, ccid, usb, spapr-vio, ccw, isa, dimm, \
                     virtio-mmio, unassigned",
                ));
            }
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.text("type", self.word());
        match self {
            Self::Pci(pci) if pci.is_any() => {}
            Self::Pci(pci) => pci.attrs(tag),
            Self::Drive(drive) => {
                tag.attr("controller", &drive.controller);
                tag.attr("bus", &drive.bus);
                tag.attr("target", &drive.target);
                tag.attr("unit", &drive.unit);
            }
            Self::VirtioSerial(serial) => {
                tag.attr("controller", &serial.controller);
                tag.attr("bus", &serial.bus);
                tag.attr("port", &serial.port.unwrap_or(0));
            }
            Self::Ccid(ccid) => {
                tag.attr("controller", &ccid.controller);
                tag.attr("slot", &ccid.slot);
            }
            Self::Usb(usb) => {
                tag.attr("bus", &usb.bus);
                if !usb.port.is_empty() {
                    tag.attr("port", &usb.port.to_string());
                }
            }
            Self::SpaprVio(vio) => tag.maybe("reg", &vio.reg.map(|n| format!("0x{n:08x}"))),
            Self::Ccw(ccw) => {
                if let Some(number) = &ccw.number {
                    tag.attr("cssid", &format!("0x{:x}", number.cssid));
                    tag.attr("ssid", &format!("0x{:x}", number.ssid));
                    tag.attr("devno", &format!("0x{:04x}", number.devno));
                }
            }
            Self::Isa(isa) => {
                tag.maybe("iobase", &isa.iobase.map(|n| format!("0x{n:x}")));
                tag.maybe("irq", &isa.irq.map(|n| format!("0x{n:x}")));
            }
            Self::Dimm(dimm) => {
                tag.maybe("slot", &dimm.slot);
                tag.maybe("base", &dimm.base.map(|n| format!("0x{n:x}")));
            }
            Self::VirtioMmio | Self::Unassigned => {}
        }
    }

    fn content(&self, out: &mut Writer) {
        if let Self::Pci(pci) = self {
            pci.content(out);
        }
    }
}

fn ccw_number(node: &mut Node<'_>) -> Result<Option<CcwNumber>> {
    let cssid = small_of_any_base(node, "cssid")?;
    let ssid = small_of_any_base(node, "ssid")?;
    let devno = small_of_any_base(node, "devno")?;
    match (cssid, ssid, devno) {
        (None, None, None) => Ok(None),
        (Some(cssid), Some(ssid), Some(devno)) if cssid <= 0xfe && ssid <= 3 && devno <= 0xffff => {
            Ok(Some(CcwNumber { cssid, ssid, devno }))
        }
        (Some(cssid), Some(ssid), Some(devno)) => Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Domain,
            format!(
                "Invalid specification for virtio ccw address: cssid='0x{cssid:x}' \
                 ssid='0x{ssid:x}' devno='0x{devno:04x}'"
            ),
        )),
        _ => Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Domain,
            "Invalid partial specification for virtio ccw address",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_strtoul_has_them() {
        for (text, value) in [
            ("16", 16),
            ("0x10", 16),
            ("020", 16),
            (" +16", 16),
            ("0", 0),
        ] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for bad in ["", "0x", "-1", "0x-1", "1f", "0x1g", "08", "16 "] {
            assert_eq!(number(bad), None, "{bad}");
        }
        assert_eq!(hexadecimal("3f8"), Some(0x3f8));
        assert_eq!(hexadecimal("10"), hexadecimal("0x10"));
    }

    #[test]
    fn a_usb_port_is_a_path_of_at_most_four() {
        let port = UsbPort::parse("1.2.3.4").unwrap();
        assert_eq!(port.to_string(), "1.2.3.4");
        assert_eq!(port.child(5), None);
        assert_eq!(UsbPort::parse("1").unwrap().child(2), UsbPort::parse("1.2"));
        for bad in ["1.2.3.4.5", "a", "1..2", ""] {
            assert_eq!(UsbPort::parse(bad), None, "{bad}");
        }
    }
}
