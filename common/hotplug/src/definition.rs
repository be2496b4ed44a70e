//! What comes, goes and changes in a definition. Pure; the definition is completed and checked after
//! that. `driver` is whose guest it is.

use virt_domain::Domain;
use virt_domain::devices::info::DeviceInfo;
use virt_domain::devices::lease::Lease;
use virt_error::{ErrorDomain, Result};
use virt_net::meant;

use crate::lease::{exists, is_same, none};
use crate::plain::remove_alias;
use crate::{Device, Which, invalid, missing, no_such_alias, unsupported, wrong};

/// Adds a device.
///
/// # Errors
/// OPERATION_INVALID for one that is there, OPERATION_UNSUPPORTED for other kinds.
pub fn attach(driver: ErrorDomain, domain: &mut Domain, device: Device) -> Result<()> {
    let devices = &mut domain.devices;
    match device {
        Device::Disk(disk) => {
            if place(domain, disk.name()).is_some() {
                return Err(invalid(
                    driver,
                    format!("target {} already exists", disk.name()),
                ));
            }
            domain.devices.disks.push(*disk);
        }
        Device::Interface(interface) => devices.interfaces.push(*interface),
        Device::Lease(lease) => {
            if devices.leases.iter().any(|known| is_same(known, &lease)) {
                return Err(exists(driver, &lease));
            }
            devices.leases.push(lease);
        }
        Device::Plain(plain) => plain.add(devices),
        Device::Other(kind) => {
            return Err(unsupported(
                driver,
                format!("persistent attach of device '{kind}' is not supported"),
            ));
        }
    }
    Ok(())
}

/// Removes a device.
///
/// # Errors
/// DEVICE_MISSING, OPERATION_UNSUPPORTED for other kinds.
pub fn detach(driver: ErrorDomain, domain: &mut Domain, which: &Which) -> Result<()> {
    match which {
        Which::Like(Device::Disk(disk)) => {
            let place = place(domain, disk.name());
            let place = place
                .ok_or_else(|| missing(driver, format!("no target device {}", disk.name())))?;
            domain.devices.disks.remove(place);
        }
        Which::Like(Device::Interface(interface)) => {
            let place = meant::place(driver, domain, interface)?;
            domain.devices.interfaces.remove(place);
        }
        Which::Like(Device::Lease(lease)) => {
            let leases: &mut Vec<Lease> = &mut domain.devices.leases;
            let place = leases.iter().position(|known| is_same(known, lease));
            leases.remove(place.ok_or_else(|| missing(driver, none(lease)))?);
        }
        Which::Like(Device::Plain(plain)) => {
            plain.remove(driver, &mut domain.devices)?;
        }
        Which::Like(Device::Other(kind)) => {
            return Err(unsupported(
                driver,
                format!("persistent detach of device '{kind}' is not supported"),
            ));
        }
        Which::Alias(alias) => {
            let is_it = |info: &DeviceInfo| info.alias() == Some(alias);
            let devices = &mut domain.devices;
            let (disks, interfaces) = (&mut devices.disks, &mut devices.interfaces);
            if let Some(place) = disks.iter().position(|one| is_it(&one.info)) {
                disks.remove(place);
            } else {
                let place = interfaces.iter().position(|one| is_it(&one.info));
                match place {
                    Some(place) => drop(interfaces.remove(place)),
                    None => {
                        remove_alias(devices, alias).ok_or_else(|| no_such_alias(driver, alias))?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Replaces a device by what is said of it now.
///
/// # Errors
/// INVALID_ARG for one that is not there, OPERATION_UNSUPPORTED for other kinds.
pub fn update(driver: ErrorDomain, domain: &mut Domain, device: Device) -> Result<()> {
    let mut disk = match device {
        Device::Disk(disk) => disk,
        Device::Interface(new) => {
            return meant::replace(driver, domain, *new);
        }
        other => {
            return Err(unsupported(
                driver,
                format!(
                    "persistent update of device '{}' is not supported",
                    other.kind()
                ),
            ));
        }
    };
    let place = place(domain, disk.name())
        .ok_or_else(|| wrong(driver, format!("target {} doesn't exist.", disk.name())))?;
    let Some(known) = domain.devices.disks.get_mut(place) else {
        return Ok(());
    };
    if disk.info.address.is_none() && disk.bus() == known.bus() {
        disk.info.address = known.info.address.take();
    }
    *known = *disk;
    Ok(())
}

fn place(domain: &Domain, name: &str) -> Option<usize> {
    domain
        .devices
        .disks
        .iter()
        .position(|disk| disk.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: ErrorDomain = ErrorDomain::Lxc;

    fn device(xml: &str) -> Device {
        Device::read(xml).unwrap()
    }

    #[test]
    fn disks_and_leases_are_known_by_name() {
        let mut domain = Domain::default();
        let disk = "<disk type='file' device='cdrom'><source file='/a'/><target dev='hdc'/></disk>";
        let lease = "<lease><lockspace>s</lockspace><key>k</key><target path='/l'/></lease>";
        for xml in [disk, lease] {
            attach(OWN, &mut domain, device(xml)).unwrap();
            assert!(attach(OWN, &mut domain, device(xml)).is_err());
        }
        update(OWN, &mut domain, device(&disk.replace("/a", "/b"))).unwrap();
        assert_eq!(domain.devices.disks[0].shown_source(), "/b");
        for xml in [disk, lease] {
            detach(OWN, &mut domain, &Which::Like(device(xml))).unwrap();
            assert!(detach(OWN, &mut domain, &Which::Like(device(xml))).is_err());
        }
        assert!(update(OWN, &mut domain, device(disk)).is_err());
    }
}
