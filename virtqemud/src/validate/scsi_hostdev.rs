//! Checks of SCSI units that are handed through.
//!
//! The texts of refusals are the stock daemon's, as watched.

use crate::aliases::is_narrow;
use virt_domain::Domain;
use virt_domain::devices::address::{Address, DriveAddress};
use virt_domain::devices::controller::ControllerKind;
use virt_domain::devices::disk::{DiskBus, Sgio};
use virt_domain::devices::hostdev::Hostdev;
use virt_domain::devices::info::DeviceInfo;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) fn check(domain: &Domain, hostdev: &Hostdev) -> Result<()> {
    if hostdev.sgio == Some(Sgio::Unfiltered) {
        return Err(unsupported("unfiltered sgio is no longer supported"));
    }
    let Some(address) = hostdev.info.address.as_ref().and_then(Address::drive) else {
        return Ok(());
    };
    check_free(domain, hostdev, address)?;
    let controllers = &domain.devices.controllers;
    if is_narrow(controllers, address.controller) {
        if address.target != 0 {
            let model = controllers
                .iter()
                .find(|c| c.is(ControllerKind::Scsi, address.controller))
                .and_then(|c| c.model);
            return Err(unsupported(format!(
                "target must be 0 for controller model '{}'",
                model.map(|m| m.word()).unwrap_or_default()
            )));
        }
        if address.unit > 7 {
            return Err(unsupported(format!(
                "This QEMU doesn't support unit {} on a controller with 8 units; use 0 to 7",
                address.unit
            )));
        }
    }
    if address.bus != 0 {
        return Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Domain,
            "SCSI controller only supports 1 bus",
        ));
    }
    Ok(())
}

/// No other unit is at the address.
fn check_free(domain: &Domain, hostdev: &Hostdev, address: &DriveAddress) -> Result<()> {
    let is_here = |info: &DeviceInfo| {
        let other = info.address.as_ref().and_then(Address::drive);
        other.is_some_and(|other| {
            (other.controller, other.bus, other.target, other.unit)
                == (
                    address.controller,
                    address.bus,
                    address.target,
                    address.unit,
                )
        })
    };
    let mut others = domain.devices.hostdevs.iter();
    let disks = || domain.devices.disks.iter();
    let by = if others.any(|other| !std::ptr::eq(other, hostdev) && is_here(&other.info)) {
        "host device"
    } else if disks().any(|disk| disk.target.bus == Some(DiskBus::Scsi) && is_here(&disk.info)) {
        "disk"
    } else {
        return Ok(());
    };
    Err(unsupported(format!(
        "SCSI host address controller='{}' bus='{}' target='{}' unit='{}' in use by another SCSI {by}",
        address.controller, address.bus, address.target, address.unit
    )))
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, text)
}
