//! Devices that come to a container that runs, change and go: network interfaces, disks, block and
//! character devices of the host. Others are refused by name.

use virt_domain::Domain;
use virt_domain::devices::hostdev::Hostdev;
use virt_domain::devices::info::DeviceInfo;
use virt_error::{Error, ErrorDomain, Result};
use virt_hotplug::{Device, Hotplug, Plain, Which, missing, no_such_alias, unsupported};
use virt_net::meant;

use crate::define;
use crate::guest::Body;

const OWN: ErrorDomain = ErrorDomain::Lxc;

impl Hotplug for Body {
    async fn completed(&self, mut domain: Box<Domain>) -> Result<Box<Domain>> {
        define::complete(&mut domain)?;
        define::check(&domain)?;
        Ok(domain)
    }

    async fn attach(&mut self, device: Device) -> Result<()> {
        match device {
            Device::Disk(disk) => self.attach_disk(*disk).await,
            Device::Interface(mut interface) => {
                // Copied from a running container's document; names are given anew.
                interface.inactive();
                self.attach_interface(*interface).await
            }
            other => match hostdev(&other) {
                Some(hostdev) => self.attach_hostdev(hostdev.clone()).await,
                None => Err(refusal("attach", &other)),
            },
        }
    }

    async fn detach(&mut self, which: Which) -> Result<()> {
        let live = std::sync::Arc::clone(&self.guest().snapshot().running()?.domain);
        let devices = &live.devices;
        match &which {
            Which::Like(Device::Disk(disk)) => {
                let mut all = devices.disks.iter();
                let place = all.position(|known| known.name() == disk.name());
                let gone = || missing(OWN, format!("disk {} not found", disk.name()));
                self.detach_disk(place.ok_or_else(gone)?).await
            }
            Which::Like(Device::Interface(interface)) => {
                let place = meant::place(OWN, &live, interface)?;
                self.detach_interface(place).await
            }
            Which::Like(other) => {
                let meant = hostdev(other).ok_or_else(|| refusal("detach", other))?;
                let known = meant.remove(OWN, &mut devices.clone())?;
                let place = devices
                    .hostdevs
                    .iter()
                    .position(|one| one.info.alias() == Some(&known.alias()));
                let gone = || missing(OWN, "no such <hostdev>");
                self.detach_hostdev(place.ok_or_else(gone)?).await
            }
            Which::Alias(alias) => {
                let is_it = |info: &DeviceInfo| info.alias() == Some(alias.as_str());
                let disk = devices.disks.iter().position(|one| is_it(&one.info));
                if let Some(place) = disk {
                    return self.detach_disk(place).await;
                }
                let mut all = devices.interfaces.iter();
                if let Some(place) = all.position(|one| is_it(&one.info)) {
                    return self.detach_interface(place).await;
                }
                let mut all = devices.hostdevs.iter();
                match all.position(|one| is_it(&one.info)) {
                    Some(place) => self.detach_hostdev(place).await,
                    None => Err(no_such_alias(OWN, alias)),
                }
            }
        }
    }

    async fn update(&mut self, device: Device, _: bool) -> Result<()> {
        match device {
            Device::Interface(interface) => self.update_interface(*interface).await,
            other => Err(refusal("update", &other)),
        }
    }
}

/// The host device that a device is.
fn hostdev(device: &Device) -> Option<&Hostdev> {
    match device {
        Device::Plain(plain) => plain.as_any().downcast_ref(),
        _ => None,
    }
}

fn refusal(what: &str, device: &Device) -> Error {
    unsupported(
        OWN,
        format!(
            "live {what} of device '{}' is not supported for containers: change its definition (--config)",
            device.kind()
        ),
    )
}
