//! Devices that come, go and change: of the running guest, of its definition, or of both. Disks with
//! their media, network interfaces, leases, and what is QEMU's alone; of a definition most devices.
//! Others are refused by name.
//!
//! What is done to a running guest is done in an order that leaves no moment in which it could write
//! what it does not hold: the lease first, then the files' owner, then QEMU; and back the other way
//! round. Texts of refusals are the stock daemon's, as watched.

mod disk;
mod gone;
mod interface;
mod lease;
mod media;
mod parts;
mod plain;
mod prepare;
mod tray;
mod unchanged;
mod unplug;

use std::future::Future;
use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::controller::Controller;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_hotplug::plain::remove_alias;
use virt_hotplug::{Device, Hotplug, Which, no_such_alias};

use crate::define::Origin;
use crate::definitions;
use crate::guest::Body;

impl Hotplug for Body {
    fn completed(&self, domain: Box<Domain>) -> impl Future<Output = Result<Box<Domain>>> + Send {
        let driver = Arc::clone(self.driver());
        async move {
            let completed = definitions::complete(&driver, domain, Origin::Stored).await;
            completed.map(|(domain, _)| domain)
        }
    }

    async fn attach(&mut self, device: Device) -> Result<()> {
        match device {
            Device::Disk(disk) => Box::pin(self.attach_disk(*disk)).await,
            Device::Interface(interface) => Box::pin(self.attach_interface(*interface)).await,
            Device::Lease(lease) => self.attach_lease(lease).await,
            Device::Plain(plain) => Box::pin(self.attach_plain(plain)).await,
            Device::Other(kind) => Err(unsupported(format!(
                "live attach of device '{kind}' is not supported"
            ))),
        }
    }

    // A guest that does not let go of it in time may do so later: that is told by an event.
    async fn detach(&mut self, which: Which) -> Result<()> {
        match &which {
            Which::Like(Device::Disk(disk)) => self.detach_disk(disk.name()).await,
            Which::Like(Device::Interface(interface)) => self.detach_interface(interface).await,
            Which::Like(Device::Lease(lease)) => self.detach_lease(lease).await,
            Which::Like(Device::Plain(plain)) => self.detach_plain(&**plain).await,
            Which::Like(Device::Other(kind)) => Err(unsupported(format!(
                "live detach of device '{kind}' is not supported"
            ))),
            Which::Alias(alias) => {
                let live = self.live()?;
                let mut disks = live.domain.devices.disks.iter();
                let disk = disks.find(|disk| disk.info.alias() == Some(alias));
                if let Some(disk) = disk {
                    return self.detach_disk(disk.name()).await;
                }
                let mut interfaces = live.domain.devices.interfaces.iter();
                if let Some(known) = interfaces.find(|known| known.info.alias() == Some(alias)) {
                    return self.detach_interface(known).await;
                }
                let mut devices = live.domain.devices.clone();
                if let Some(plain) = remove_alias(&mut devices, alias) {
                    return self.detach_plain(&*plain).await;
                }
                let mut infos = live.domain.devices.infos().into_iter();
                Err(match infos.any(|info| info.alias() == Some(alias)) {
                    true => {
                        unsupported(format!("live detach of device '{alias}' is not supported"))
                    }
                    false => no_such_alias(ErrorDomain::Qemu, alias),
                })
            }
        }
    }

    // The medium of a drive, the cable of an interface. `force`: whether the guest locked its tray does
    // not matter.
    async fn update(&mut self, device: Device, force: bool) -> Result<()> {
        match device {
            Device::Disk(disk) => Box::pin(self.update_disk(*disk, force)).await,
            Device::Interface(interface) => self.update_interface(*interface).await,
            other => Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                format!("live update of device '{}' is not supported", other.kind()),
            )),
        }
    }
}

/// The refusal of a device that needs a controller which the guest does not have.
fn no_slot(controller: &Controller) -> Error {
    Error::new(
        ErrorCode::OperationFailed,
        ErrorDomain::Qemu,
        format!(
            "No more available PCI slots: the device needs another controller of type '{}', which a \
             guest that runs can't get; give it one before it starts",
            controller.kind
        ),
    )
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationUnsupported, ErrorDomain::Qemu, what)
}

fn missing(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::DeviceMissing, ErrorDomain::Qemu, what)
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Qemu, what)
}
