//! Media of drives. The new one is opened before the old one is touched, so that one that can't be
//! used leaves the drive as it was.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use virt_domain::Domain;
use virt_domain::devices::disk::{Disk, DiskDevice};
use virt_domain::devices::storage::{Location, StorageSource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::disk::{Taken, place};
use super::prepare::{self, complete, disk_of};
use super::tray::Drawer;
use super::{parts, unchanged};
use crate::argv;
use crate::caps::QemuCaps;
use crate::definitions::off_thread;
use crate::guest::Body;
use crate::status;

/// Where the medium is; nothing for an empty drive.
fn location(disk: &Disk) -> Option<&Location> {
    let source = disk.source.as_ref().filter(|source| !source.is_empty());
    source.map(StorageSource::place)
}

/// The disk as it is, with the medium of another and what goes with that.
fn with_medium(known: &Disk, new: Disk) -> Disk {
    let mut disk = known.clone();
    disk.kind = new.kind;
    disk.driver = new.driver;
    disk.auth = new.auth;
    disk.encryption = new.encryption;
    disk.readonly = new.readonly || known.readonly;
    // What was read from the old image is not the new one's.
    disk.backing = new
        .backing
        .filter(|said| !known.chain_found || Some(said) != known.backing.as_ref());
    disk.chain_found = false;
    disk.source = new.source;
    disk.state = None;
    disk
}

impl Body {
    pub(super) async fn update_disk(&mut self, new: Disk, force: bool) -> Result<()> {
        let live = self.live()?;
        let at = place(&live.domain, new.name());
        let known = at.and_then(|at| live.domain.devices.disks.get(at));
        let known = known.ok_or_else(|| lost(&new))?;
        unchanged::check(known, &new)?;
        let driver = Arc::clone(self.driver());
        let name = new.name().to_owned();
        let was = location(known).cloned();
        let mut found = complete(&driver, &live.domain, |domain| {
            let mut disks = domain.devices.disks.iter_mut();
            if let Some(disk) = disks.find(|disk| disk.name() == name) {
                *disk = with_medium(disk, new);
            }
        })
        .await?;
        let disk = disk_of(&mut found.domain, &name)?;
        if location(&disk).cloned() == was {
            let policy = disk.source.as_ref().and_then(|s| s.startup_policy);
            return self.change_live(|live| {
                let mut disks = Arc::make_mut(&mut live.domain).devices.disks.iter_mut();
                let disk = disks.find(|disk| disk.name() == name);
                if let Some(source) = disk.and_then(|disk| disk.source.as_mut()) {
                    source.startup_policy = policy;
                }
            });
        }
        if !matches!(known.device, DiskDevice::Cdrom | DiskDevice::Floppy) {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                "disk source can be changed only in removable drives",
            ));
        }
        let mut disk = with_medium(known, disk);
        let is_empty = location(&disk).is_none();
        let said = disk.driver.clone();
        disk = self.look_at(disk).await?;
        if is_empty {
            disk.driver = said;
            // The number is used up, and shown.
            let mut empty = StorageSource::from(Location::File {
                path: None,
                fdgroup: None,
            });
            empty.index = Some(self.kept()?.node_index);
            disk.source = Some(empty);
            disk.backing = None;
        }
        let mut next = Arc::clone(&live.domain);
        put(&mut next, &disk);
        let taken = self.take_leases_of(&next).await?;
        self.change_held(&next, disk, found.caps, force, taken)
            .await
    }

    async fn change_held(
        &mut self,
        next: &Arc<Domain>,
        mut disk: Disk,
        caps: Arc<QemuCaps>,
        force: bool,
        taken: Taken,
    ) -> Result<()> {
        let live = self.live()?;
        let (driver, guest) = (Arc::clone(self.driver()), Arc::clone(next));
        let folder: PathBuf = self.kept()?.lib_dir.clone();
        let wanted = disk.clone();
        let preparing = off_thread(move || {
            prepare::parts(&driver, &guest, &folder, &wanted, |needs| {
                argv::hotplug_medium(&guest, &wanted, &caps, needs)
            })
        });
        let prepared = self.attend(preparing).await;
        let (given, (made, top)) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.untake_leases(taken).await;
                return Err(error);
            }
        };
        let known = place(&live.domain, disk.name());
        let known = known.and_then(|at| live.domain.devices.disks.get(at));
        let known = known.ok_or_else(|| lost(&disk))?;
        let changed = match self.make(&made).await {
            Ok(()) => {
                let exchanged = self.exchange(known, top, force).await;
                if exchanged.is_err() {
                    self.forget(parts::names(&made)).await;
                }
                exchanged
            }
            Err(error) => Err(error),
        };
        self.audit(|guest| guest.replaced(known, &disk, changed.is_ok()));
        if let Err(error) = changed {
            tokio::task::spawn_blocking(move || given.give_back());
            self.untake_leases(taken).await;
            return Err(error);
        }
        self.forget(parts::names_of(known)).await;
        status::note_disk(&mut disk, &made);
        self.running_mut()?.belongings.give_too(given);
        let before = Arc::clone(&self.live()?.domain);
        self.change_live(|live| put(&mut live.domain, &disk))?;
        self.give_files_back(&before, known);
        self.settle_leases(taken).await;
        self.give_leases_back_of(&before).await;
        Ok(())
    }

    /// Takes the medium out of a drive and puts another one in, if there is one.
    async fn exchange(&mut self, drive: &Disk, top: Option<String>, force: bool) -> Result<()> {
        let alias = drive.info.alias().unwrap_or_default();
        let noted = drive.state.as_ref().and_then(|state| state.qom.as_ref());
        let id = match noted {
            Some(noted) => noted.name.clone(),
            None => status::qom_path(drive).unwrap_or_default(),
        };
        let drawer = Drawer {
            id: &id,
            alias,
            force,
        };
        let outcome = async {
            let removed = json!({ "id": id });
            self.at_open_tray(&drawer, "blockdev-remove-medium", removed)
                .await?;
            let Some(top) = top else { return Ok(()) };
            let inserted = json!({ "id": id, "node-name": top });
            let inserted = self
                .at_open_tray(&drawer, "blockdev-insert-medium", inserted)
                .await;
            if inserted.is_err() && let Some(old) = parts::top_of(drive) {
                let old = json!({ "id": id, "node-name": old });
                let put_back = self
                    .at_open_tray(&drawer, "blockdev-insert-medium", old)
                    .await;
                if let Err(error) = put_back {
                    tracing::warn!(guest = %self.name(), %error, "the drive is left without its medium");
                }
            }
            inserted
        }
        .await;
        // Whatever became of it, a drive is not left open.
        self.close_tray(&id).await.and(outcome)
    }
}

/// Puts the disk in the place of the one of its name.
fn put(domain: &mut Arc<Domain>, disk: &Disk) {
    let mut disks = Arc::make_mut(domain).devices.disks.iter_mut();
    if let Some(known) = disks.find(|known| known.name() == disk.name()) {
        let tray = known.target.tray;
        *known = disk.clone();
        known.target.tray = tray;
    }
}

fn lost(disk: &Disk) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Qemu,
        format!("disk '{}' not found", disk.name()),
    )
}
