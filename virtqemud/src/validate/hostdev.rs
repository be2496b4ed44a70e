//! Checks of host devices against what QEMU and this driver can do.

use super::{Context, scsi_hostdev};
use virt_domain::Domain;
use virt_domain::devices::hostdev::{Hostdev, HostdevMode, HostdevModel, HostdevSource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    let hostdevs = &domain.devices.hostdevs;
    duplicates(hostdevs)?;
    for hostdev in hostdevs {
        if hostdev.mode == HostdevMode::Capabilities {
            return Err(unsupported(
                "hostdev mode 'capabilities' is not supported in qemu",
            ));
        }
        let shown = matches!(
            hostdev.source,
            HostdevSource::Mdev { .. } | HostdevSource::Pci { .. }
        );
        if shown && hostdev.display == Some(OnOff::On) && domain.devices.graphics.is_empty() {
            return Err(unsupported(
                "graphics device is needed for attribute value 'display=on' in <hostdev>",
            ));
        }
        if hostdev.info.boot.is_some() && matches!(hostdev.source, HostdevSource::ScsiHost { .. }) {
            return Err(unsupported(
                "booting from assigned devices is not supported by vhost SCSI devices",
            ));
        }
        match &hostdev.source {
            HostdevSource::Pci { .. } | HostdevSource::ScsiHost { .. } => {}
            HostdevSource::Mdev { .. } if hostdev.model == Some(HostdevModel::VfioPci) => {}
            HostdevSource::Mdev { .. } => {
                return Err(not_yet("mediated devices other than model='vfio-pci'"));
            }
            HostdevSource::Usb { address, .. } => {
                if address.is_none_or(|a| a.device.is_none()) {
                    return Err(not_yet(
                        "USB host devices named by vendor and product or by port; name bus and \
                         device",
                    ));
                }
            }
            HostdevSource::Scsi { .. } | HostdevSource::Iscsi { .. } => {
                scsi_hostdev::check(domain, hostdev)?;
            }
            _ => {
                return Err(not_yet(&format!("host devices of type '{}'", hostdev.kind)));
            }
        }
    }
    Ok(())
}

fn duplicates(hostdevs: &[Hostdev]) -> Result<()> {
    for (at, hostdev) in hostdevs.iter().enumerate() {
        let same = |other: &HostdevSource| match (other, &hostdev.source) {
            (HostdevSource::Pci { address: a, .. }, HostdevSource::Pci { address: b, .. }) => {
                a == b
            }
            (HostdevSource::Scsi { .. }, HostdevSource::Scsi { .. }) => *other == hostdev.source,
            (
                HostdevSource::Usb {
                    address: Some(a), ..
                },
                HostdevSource::Usb {
                    address: Some(b), ..
                },
            ) => a == b,
            _ => false,
        };
        if hostdevs[..at].iter().any(|other| same(&other.source)) {
            return Err(Error::new(
                ErrorCode::XmlError,
                ErrorDomain::Domain,
                "Hostdev already exists in the domain configuration",
            ));
        }
    }
    Ok(())
}

fn not_yet(what: &str) -> Error {
    unsupported(format!("not supported by this driver yet: {what}"))
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, text)
}
