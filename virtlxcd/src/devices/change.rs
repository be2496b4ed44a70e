//! Disks and devices of the host that come to a container that runs, and go.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags, openat, openat2, statx};
use virt_domain::Domain;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::hostdev::{Hostdev, HostdevSource};
use virt_driver::audit::{Audited, Reason, Subject};
use virt_driver::{Event, change_live, off_thread};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::{Ready, filter, release, unsupported};
use crate::aliases;
use crate::controller::devices::Dev;
use crate::guest::{Body, Live};
use crate::mount_info;
use crate::plan::Node;

impl Body {
    /// Gives the running container a disk.
    ///
    /// # Errors
    /// OPERATION_INVALID when it has one of that name; what can't be had, by name. Nothing is left of it
    /// then.
    pub(crate) async fn attach_disk(&mut self, mut disk: Disk) -> Result<()> {
        let live = Arc::clone(self.guest().snapshot().running()?);
        let known = &live.domain.devices.disks;
        if known.iter().any(|one| one.name() == disk.name()) {
            return Err(Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Lxc,
                format!("target {} already exists", disk.name()),
            ));
        }
        let infos = known.iter().map(|one| &one.info);
        disk.info.name(|| aliases::free("disk", infos));
        let alias = disk.info.alias().unwrap_or_default().to_owned();
        let (wanted, uuid) = (disk.clone(), live.domain.uuid);
        let make = move || Ready::of_disk(&wanted, uuid);
        let noted = disk.clone();
        let note = move |domain: &mut Domain| domain.devices.disks.push(noted.clone());
        self.give(&live, &disk, alias, make, note).await
    }

    /// Gives the running container a device of the host.
    ///
    /// # Errors
    /// As [`Self::attach_disk`].
    pub(crate) async fn attach_hostdev(&mut self, mut hostdev: Hostdev) -> Result<()> {
        let live = Arc::clone(self.guest().snapshot().running()?);
        if matches!(hostdev.source, HostdevSource::Interface(_)) {
            return Err(unsupported(
                "links of the host are lent to containers that start only: define it anew",
            ));
        }
        let infos = live.domain.devices.hostdevs.iter().map(|one| &one.info);
        hostdev.info.name(|| aliases::free("hostdev", infos));
        let alias = hostdev.info.alias().unwrap_or_default().to_owned();
        let wanted = hostdev.clone();
        let make = move || Ready::of_hostdev(&wanted);
        let noted = hostdev.clone();
        let note = move |domain: &mut Domain| domain.devices.hostdevs.push(noted.clone());
        self.give(&live, &hostdev, alias, make, note).await
    }

    /// Takes the disk in that place from the running container.
    ///
    /// # Errors
    /// SYSTEM_ERROR when its device can't be removed.
    pub(crate) async fn detach_disk(&mut self, place: usize) -> Result<()> {
        let live = Arc::clone(self.guest().snapshot().running()?);
        let Some(disk) = live.domain.devices.disks.get(place).cloned() else {
            return Ok(());
        };
        let path = disk.name().to_owned();
        let (name, uuid) = (path.clone(), live.domain.uuid);
        let taken = self.take(&live, &disk, disk.info.alias(), path).await;
        taken?;
        off_thread(move || {
            release(uuid, Some(&name));
            Ok(())
        })
        .await?;
        let leases = &self.driver().leases;
        let mut now = Box::new(Domain::clone(&live.domain));
        remove(&mut now, disk.info.alias());
        let needless = leases.beside(&live.domain, &now).await?;
        self.give_leases_back(&live, &needless).await;
        Ok(())
    }

    /// Takes the host device in that place from the running container.
    ///
    /// # Errors
    /// OPERATION_UNSUPPORTED for a link, as [`Self::detach_disk`].
    pub(crate) async fn detach_hostdev(&mut self, place: usize) -> Result<()> {
        let live = Arc::clone(self.guest().snapshot().running()?);
        let Some(hostdev) = live.domain.devices.hostdevs.get(place).cloned() else {
            return Ok(());
        };
        let path = super::path(&hostdev)?.ok_or_else(|| {
            unsupported("a link of the host that a container was lent comes back when it ends")
        })?;
        let below = path.strip_prefix("/dev/").unwrap_or(&path).to_owned();
        self.take(&live, &hostdev, hostdev.info.alias(), below)
            .await
    }

    async fn give(
        &mut self,
        live: &Arc<Live>,
        device: &(impl Audited + Sync),
        alias: String,
        make: impl FnOnce() -> Result<Ready> + Send + 'static,
        note: impl Fn(&mut Domain) + Send,
    ) -> Result<()> {
        let mut next = Box::new(Domain::clone(&live.domain));
        note(&mut next);
        let held = self.take_leases_of(live, &next).await?;
        let from = Arc::clone(live);
        let made = off_thread(move || {
            let ready = make()?;
            let dev = ContainersDev::of(&from)?;
            let before = filter::allowed(&from.domain);
            let rules = ready.nodes.iter().map(Node::rule);
            let after = rules.chain(before.iter().copied()).collect();
            filter::change(&from, &before, &after)?;
            let added = ready.nodes.iter().try_for_each(|node| dev.add(node));
            match added {
                Ok(()) => Ok(ready),
                Err(error) => {
                    filter::change(&from, &after, &before)?;
                    Err(error)
                }
            }
        })
        .await;
        let subject = Subject::from(&*live.domain);
        self.driver().auditor.tell(&subject, |subject| {
            let mut records = subject.gained(device, Reason::Attach, made.is_ok());
            if let Ok(ready) = &made {
                records.extend(filter::told(subject, live, &ready.nodes, true, true));
            }
            records
        });
        if made.is_err() {
            self.give_leases_back(live, &held).await;
        }
        let ready = made?;
        change_live(self, |domain| {
            note(domain);
            Ok(())
        })?;
        // From here on the next daemon finds it.
        self.write_status().await?;
        ready.keep()?;
        self.emit(Event::DeviceAdded { alias });
        Ok(())
    }

    async fn take(
        &mut self,
        live: &Arc<Live>,
        device: &(impl Audited + Sync),
        alias: Option<&str>,
        path: String,
    ) -> Result<()> {
        let from = Arc::clone(live);
        let mut after = Domain::clone(&live.domain);
        remove(&mut after, alias);
        let taken = off_thread(move || {
            ContainersDev::of(&from)?.remove(&path)?;
            let before = filter::allowed(&from.domain);
            let after = filter::allowed(&after);
            filter::change(&from, &before, &after)?;
            let gone = before.difference(&after).map(|rule| Node::of(&path, *rule));
            Ok(gone.collect::<Vec<_>>())
        })
        .await;
        let subject = Subject::from(&*live.domain);
        self.driver().auditor.tell(&subject, |subject| {
            let mut records = subject.lost(device, taken.is_ok());
            if let Ok(gone) = &taken {
                records.extend(filter::told(subject, live, gone, false, true));
            }
            records
        });
        taken?;
        change_live(self, |domain| {
            remove(domain, alias);
            Ok(())
        })?;
        let alias = alias.unwrap_or_default().to_owned();
        self.emit(Event::DeviceRemoved { alias });
        Ok(())
    }
}

fn remove(domain: &mut Domain, alias: Option<&str>) {
    let devices = &mut domain.devices;
    devices.disks.retain(|one| one.info.alias() != alias);
    devices.hostdevs.retain(|one| one.info.alias() != alias);
}

/// The `/dev` of a container that runs, as it sees it.
#[derive(Debug)]
struct ContainersDev {
    folder: OwnedFd,
    owner: (u32, u32),
}

impl ContainersDev {
    fn of(live: &Live) -> Result<Self> {
        let gone = || {
            Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Lxc,
                "the container's init is gone",
            )
        };
        let init = live.container.init.as_ref().ok_or_else(gone)?;
        let path = format!("/proc/{}/root", init.pid());
        let failed = |e: rustix::io::Errno| {
            let what = "cannot look at the container's /dev";
            Error::system(ErrorDomain::Lxc, what, &e.into())
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, &*path, flags, Mode::empty()).map_err(failed)?;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let folder = openat2(&root, "dev", flags, Mode::empty(), resolve).map_err(failed)?;
        if !init.is_alive() {
            return Err(gone());
        }
        // The container may have mounted what it likes there, such as a file system of its own that never
        // answers: only memory is touched.
        let known = statx(
            &folder,
            "",
            AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC,
            StatxFlags::MNT_ID,
        )
        .map_err(failed)?;
        let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", init.pid()))
            .map_err(|e| Error::system(ErrorDomain::Lxc, "the container's mounts", &e))?;
        let mut all = mount_info::read(&mounts);
        let dev = all.find(|mount| mount.id == known.stx_mnt_id);
        if dev.is_none_or(|dev| dev.kind != "tmpfs") {
            return Err(unsupported(
                "the container has mounted something else over its /dev: it gets no devices any more",
            ));
        }
        Ok(Self {
            folder,
            owner: crate::planning::root_ids(&live.domain),
        })
    }

    fn dev(&self) -> Dev<'_> {
        Dev {
            folder: self.folder.as_fd(),
            owner: self.owner,
        }
    }

    fn add(&self, node: &Node) -> Result<()> {
        let what = format!("cannot make '/dev/{}' in the container", node.path);
        let made = self.dev().node(node);
        made.map_err(|e| Error::system(ErrorDomain::Lxc, what, &e))
    }

    fn remove(&self, path: &str) -> Result<()> {
        match self.dev().remove(path) {
            // The container has removed it itself.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => {
                let what = format!("cannot remove '/dev/{path}' in the container");
                Err(Error::system(ErrorDomain::Lxc, what, &e))
            }
            Ok(()) => Ok(()),
        }
    }
}
