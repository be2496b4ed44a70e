//! A device that the guest let go of: because it was asked to, later than anyone waited, or by
//! itself; or while no daemon was there.

use std::collections::HashSet;
use std::sync::Arc;

use virt_domain::devices::disk::Disk;
use virt_driver::Event;

use super::{parts, prepare};
use crate::guest::Body;

impl Body {
    /// Cleans up after a device that QEMU has no more.
    pub(crate) async fn device_gone(&mut self, alias: String) {
        let Ok(live) = self.live() else { return };
        if let Ok(kept) = self.kept_mut() {
            kept.devices.retain(|device| *device != alias);
        }
        let mut disks = live.domain.devices.disks.iter();
        if let Some(disk) = disks.find(|disk| disk.info.alias() == Some(&alias)) {
            self.disk_gone(disk).await;
        }
        let mut interfaces = live.domain.devices.interfaces.iter();
        if let Some(one) = interfaces.find(|one| one.info.alias() == Some(&alias)) {
            self.interface_gone(one).await;
        }
        self.plain_gone(&alias).await;
        self.emit(Event::DeviceRemoved { alias });
    }

    async fn disk_gone(&mut self, disk: &Disk) {
        let Ok(live) = self.live() else { return };
        self.forget(parts::names_of(disk)).await;
        let before = Arc::clone(&live.domain);
        let changed = self.change_live(|live| {
            let disks = &mut Arc::make_mut(&mut live.domain).devices.disks;
            disks.retain(|other| other.info.alias() != disk.info.alias());
        });
        if changed.is_err() {
            return;
        }
        self.audit(|guest| guest.lost(disk, true));
        self.give_files_back(&before, disk);
        self.give_leases_back_of(&before).await;
    }

    /// Gives the files of a disk back that the guest does not use any more.
    pub(super) fn give_files_back(&mut self, guest: &virt_domain::Domain, disk: &Disk) {
        let given = prepare::given(self.driver(), guest, disk);
        let Ok(running) = self.running_mut() else {
            return;
        };
        let given = running.belongings.take_out(given);
        tokio::task::spawn_blocking(move || given.give_back());
    }

    /// Cleans up after devices that went while no daemon was there: `devices` are those that QEMU
    /// has.
    pub(crate) async fn devices_gone(&mut self, devices: &[String]) {
        let there: HashSet<&str> = devices.iter().map(String::as_str).collect();
        let Ok(kept) = self.kept() else { return };
        let had = kept.devices.iter();
        let gone: Vec<String> = had
            .filter(|alias| !there.contains(alias.as_str()))
            .cloned()
            .collect();
        for alias in gone {
            self.device_gone(alias).await;
        }
    }
}
