//! A device as a client describes it: the document of one element.

use virt_domain::devices::disk::Disk;
use virt_domain::devices::interface::Interface;
use virt_domain::devices::lease::Lease;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::document::read;
use crate::plain::{Plain, read_plain};

/// What can come and go.
#[derive(Debug, Clone)]
pub enum Device {
    /// `<disk>`.
    Disk(Box<Disk>),
    /// `<interface>`.
    Interface(Box<Interface>),
    /// `<lease>`.
    Lease(Lease),
    /// One that a guest has a list of.
    Plain(Box<dyn Plain>),
    /// Any other device, of which only the name counts.
    Other(String),
}

/// The elements that stand for other devices (domaincommon.rng).
const KINDS: &[&str] = &[
    "audio",
    "crypto",
    "graphics",
    "hub",
    "iommu",
    "memballoon",
    "nvram",
    "panic",
    "pstore",
    "tpm",
    "vsock",
];

impl Device {
    /// Reads a device.
    ///
    /// # Errors
    /// What is wrong with the document; CONFIG_UNSUPPORTED for what is no device.
    pub fn read(xml: &str) -> Result<Self> {
        let kind = virt_xml::parse(xml)?.name;
        match kind.as_str() {
            "disk" => {
                let mut disk: Disk = read(xml)?;
                // Copied from a running guest's document; numbers are given anew.
                if let Some(source) = &mut disk.source {
                    source.index = None;
                }
                Ok(Self::Disk(Box::new(disk)))
            }
            "interface" => Ok(Self::Interface(Box::new(read(xml)?))),
            "lease" => Ok(Self::Lease(read(xml)?)),
            other if KINDS.contains(&other) => Ok(Self::Other(kind)),
            other => match read_plain(other, xml)? {
                Some(plain) => Ok(Self::Plain(plain)),
                None => Err(unsupported(format!("unknown device type '{other}'"))),
            },
        }
    }

    /// The name of its element.
    pub fn kind(&self) -> &str {
        match self {
            Self::Disk(_) => "disk",
            Self::Interface(_) => "interface",
            Self::Lease(_) => "lease",
            Self::Plain(plain) => plain.kind(),
            Self::Other(kind) => kind,
        }
    }
}

fn unsupported(what: String) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_by_its_element() {
        let disk = Device::read("<disk><source file='/a' index='3'/><target dev='vda'/></disk>");
        let Ok(Device::Disk(disk)) = disk else {
            panic!("a disk")
        };
        assert_eq!(disk.source.unwrap().index, None);
        assert!(
            matches!(Device::read("<hub type='usb'/>"), Ok(Device::Other(kind)) if kind == "hub")
        );
        let refused = |xml| Device::read(xml).unwrap_err().message().to_owned();
        assert!(refused("<nonsense/>").ends_with("unknown device type 'nonsense'"));
        assert!(refused("<disk><target dev='vda'/><odd/></disk>").contains("odd"));
    }
}
