//! Disks of a running guest.

use std::path::PathBuf;
use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::controller::ControllerKind;
use virt_domain::devices::disk::{Disk, DiskBus, DiskDevice};
use virt_driver::Event;
use virt_driver::audit::Reason;
use virt_driver::leases::Resource;
use virt_error::Result;

use super::prepare::{self, Complete, complete, disk_of};
use super::{missing, unsupported};
use crate::argv;
use crate::caps::QemuCaps;
use crate::definitions::off_thread;
use crate::guest::Body;
use crate::{aliases, status};

/// The disk of that name.
pub(super) fn place(domain: &Domain, name: &str) -> Option<usize> {
    domain
        .devices
        .disks
        .iter()
        .position(|disk| disk.name() == name)
}

fn check_bus(disk: &Disk) -> Result<()> {
    if disk.device == DiskDevice::Floppy {
        return Err(unsupported("floppy device hotplug isn't supported"));
    }
    match disk.bus() {
        DiskBus::Virtio | DiskBus::Scsi | DiskBus::Usb => Ok(()),
        other => Err(unsupported(format!(
            "disk bus '{other}' cannot be hotplugged."
        ))),
    }
}

impl Body {
    pub(super) async fn attach_disk(&mut self, disk: Disk) -> Result<()> {
        let live = self.live()?;
        let is_drive = matches!(disk.device, DiskDevice::Cdrom | DiskDevice::Floppy);
        if is_drive && place(&live.domain, disk.name()).is_some() {
            return Box::pin(self.update_disk(disk, false)).await;
        }
        check_bus(&disk)?;
        let name = disk.name().to_owned();
        let driver = Arc::clone(self.driver());
        let mut found = complete(&driver, &live.domain, |domain| {
            domain.devices.disks.push(disk);
        })
        .await?;
        let disk = disk_of(&mut found.domain, &name)?;
        let caps = Arc::clone(&found.caps);
        let disk = self.with_controllers(disk, found).await?;
        Box::pin(self.plug(disk, caps)).await
    }

    /// Gives the guest the controllers that the disk needs, and the disk a name.
    async fn with_controllers(&mut self, disk: Disk, found: Complete) -> Result<Disk> {
        let Complete {
            controllers, caps, ..
        } = found;
        for controller in controllers {
            if controller.kind != ControllerKind::Scsi {
                return Err(unsupported(format!(
                    "disk '{}' needs a controller of type '{}', which can't be attached to a guest \
                     that runs",
                    disk.name(),
                    controller.kind
                )));
            }
            let mut next = Domain::clone(&self.live()?.domain);
            next.devices.controllers.push(controller);
            aliases::name_storage(&mut next)?;
            let made = match next.devices.controllers.last() {
                Some(controller) => argv::hotplug_controller(&next, controller, &caps)?,
                None => Vec::new(),
            };
            self.make(&made).await?;
            let alias = next.devices.controllers.last();
            let alias = alias.and_then(|controller| controller.info.alias());
            let alias = alias.unwrap_or_default().to_owned();
            self.change_live(|live| live.domain = Arc::new(next))?;
            self.kept_mut()?.devices.push(alias.clone());
            self.emit(Event::DeviceAdded { alias });
        }
        let mut next = Domain::clone(&self.live()?.domain);
        next.devices.disks.push(disk);
        aliases::name_storage(&mut next)?;
        // It was pushed last.
        next.devices.disks.pop().ok_or_else(|| missing("the disk"))
    }

    async fn plug(&mut self, disk: Disk, caps: Arc<QemuCaps>) -> Result<()> {
        let disk = self.look_at(disk).await?;
        let mut next = Arc::clone(&self.live()?.domain);
        Arc::make_mut(&mut next).devices.disks.push(disk.clone());
        let taken = self.take_leases_of(&next).await?;
        let plugged = self.plug_held(&next, disk.clone(), caps).await;
        self.audit(|guest| guest.gained(&disk, Reason::Attach, plugged.is_ok()));
        match plugged {
            Ok(()) => {
                self.settle_leases(taken).await;
                Ok(())
            }
            Err(error) => {
                self.untake_leases(taken).await;
                Err(error)
            }
        }
    }

    /// Completes the disk by what its images say, and numbers them.
    pub(super) async fn look_at(&mut self, disk: Disk) -> Result<Disk> {
        let (driver, guest) = (Arc::clone(self.driver()), Arc::clone(&self.live()?.domain));
        let mut last = self.kept()?.node_index;
        let looking = off_thread(move || {
            let disk = prepare::images(&driver, &guest, disk, &mut last)?;
            Ok((disk, last))
        });
        let (disk, last) = self.attend(looking).await?;
        // Numbers are not used again, even when this fails: QEMU may still have the node.
        self.kept_mut()?.node_index = last;
        Ok(disk)
    }

    async fn plug_held(
        &mut self,
        next: &Arc<Domain>,
        mut disk: Disk,
        caps: Arc<QemuCaps>,
    ) -> Result<()> {
        let (driver, guest) = (Arc::clone(self.driver()), Arc::clone(next));
        let folder: PathBuf = self.kept()?.lib_dir.clone();
        let wanted = disk.clone();
        let preparing =
            off_thread(move || prepare::whole(&driver, &guest, &folder, &caps, &wanted));
        let (given, made) = self.attend(preparing).await?;
        if let Err(error) = self.make(&made).await {
            tokio::task::spawn_blocking(move || given.give_back());
            return Err(error);
        }
        status::note_disk(&mut disk, &made);
        let alias = disk.info.alias().unwrap_or_default().to_owned();
        self.running_mut()?.belongings.give_too(given);
        self.kept_mut()?.devices.push(alias.clone());
        // What changed meanwhile stays.
        self.change_live(|live| Arc::make_mut(&mut live.domain).devices.disks.push(disk))?;
        self.emit(Event::DeviceAdded { alias });
        Ok(())
    }

    pub(super) async fn detach_disk(&mut self, name: &str) -> Result<()> {
        let live = self.live()?;
        let disk = place(&live.domain, name).and_then(|at| live.domain.devices.disks.get(at));
        let disk = disk.ok_or_else(|| missing(format!("disk {name} not found")))?;
        let is_plugged = match disk.device {
            DiskDevice::Disk | DiskDevice::Lun => true,
            DiskDevice::Cdrom => matches!(disk.bus(), DiskBus::Usb | DiskBus::Scsi),
            DiskDevice::Floppy => false,
        };
        if !is_plugged {
            return Err(unsupported(format!(
                "disk device type '{}' cannot be detached",
                disk.device
            )));
        }
        if !matches!(disk.bus(), DiskBus::Virtio | DiskBus::Usb | DiskBus::Scsi) {
            return Err(unsupported("This type of disk cannot be hot unplugged"));
        }
        let alias = disk.info.alias().unwrap_or_default().to_owned();
        self.unplug(&alias).await
    }
}

/// Leases that are held for a change under way.
pub(super) type Taken = Vec<Resource>;
