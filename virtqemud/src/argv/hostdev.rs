//! Options of host devices.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::{Props, on_off};
use super::{scsi_hostdev, virtio};
use virt_domain::Domain;
use virt_domain::devices::hostdev::{GuestReset, Hostdev, HostdevModel, HostdevSource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{OnOff, YesNo};

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    for hostdev in &crate::host_devices::all(domain) {
        // It is only taken from the host.
        if matches!(
            hostdev.info.address,
            Some(virt_domain::devices::address::Address::Unassigned)
        ) {
            continue;
        }
        if scsi_hostdev::append(b, domain, hostdev, context)? {
            continue;
        }
        let alias = hostdev.info.alias().unwrap_or_default();
        let device = match &hostdev.source {
            HostdevSource::Pci { address, .. } => vfio(hostdev)
                .with("host", address.to_string())
                .with("id", alias)
                .maybe(
                    "failover_pair_id",
                    hostdev.teaming.as_ref().and_then(|t| t.persistent.clone()),
                ),
            HostdevSource::Mdev { uuid } => mediated(hostdev)
                .with("id", alias)
                .with("sysfsdev", format!("/sys/bus/mdev/devices/{uuid}")),
            HostdevSource::Usb {
                address,
                guest_reset,
                ..
            } => {
                let place = address.and_then(|a| Some((a.bus, a.device?)));
                let (bus, device) = place.ok_or_else(|| {
                    unsupported("USB host devices without an address on the host")
                })?;
                let props = Props::device("usb-host")
                    .with("hostdevice", format!("/dev/bus/usb/{bus:03}/{device:03}"))
                    .with("id", alias);
                match guest_reset {
                    None => props,
                    Some(GuestReset::Off) => props.with("guest-reset", false),
                    Some(GuestReset::Uninitialized) => props
                        .with("guest-reset", true)
                        .with("guest-resets-all", false),
                    Some(GuestReset::On) => props
                        .with("guest-reset", true)
                        .with("guest-resets-all", true),
                }
            }
            HostdevSource::ScsiHost { wwpn } => {
                let fd = context.descriptors.vhost_scsi()?;
                let model = hostdev.model.and_then(HostdevModel::virtio);
                virtio::device("vhost-scsi", model, &hostdev.info)
                    .with("wwpn", wwpn.clone())
                    .with("vhostfd", fd.to_string())
                    .with("id", alias)
            }
            _ => {
                return Err(unsupported(format!(
                    "host devices of type '{}'",
                    hostdev.kind
                )));
            }
        };
        let device = device
            .maybe("bootindex", hostdev.info.boot_order())
            .placed(domain, &hostdev.info)?;
        let device = match &hostdev.info.rom {
            None => device,
            Some(rom) if rom.enabled == Some(YesNo::No) => device.with("romfile", ""),
            Some(rom) => device
                .maybe("rombar", rom.bar.map(|bar| u32::from(bar == OnOff::On)))
                .maybe("romfile", rom.file.clone()),
        };
        b.device(&device);
    }
    Ok(())
}

fn mediated(hostdev: &Hostdev) -> Props {
    match hostdev.model {
        Some(HostdevModel::VfioCcw) => Props::device("vfio-ccw"),
        Some(HostdevModel::VfioAp) => Props::device("vfio-ap"),
        _ => vfio(hostdev),
    }
}

fn vfio(hostdev: &Hostdev) -> Props {
    let ramfb = hostdev.ramfb == Some(OnOff::On);
    // A display before the guest's driver only works for a device that stays.
    let props = Props::device(if ramfb {
        "vfio-pci-nohotplug"
    } else {
        "vfio-pci"
    });
    let props = props.maybe("display", hostdev.display.map(|d| on_off(d.is_on())));
    if ramfb {
        props.with("ramfb", true)
    } else {
        props
    }
}

fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorCode::ConfigUnsupported,
        ErrorDomain::Qemu,
        format!("{what} are not supported by this driver yet"),
    )
}
