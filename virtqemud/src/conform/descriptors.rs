//! Numbers of descriptors that nobody opened.

use super::settings::Settings;
use crate::argv::{self, Descriptors, DiskGroup, FileUse, TapFds, VhostNet};
use std::collections::HashMap;
use std::path::Path;
use virt_domain::Domain;
use virt_domain::devices::interface::InterfaceType;
use virt_error::Result;

#[derive(Default)]
pub(super) struct Invented {
    tpm: i32,
    /// Aliases of the interfaces that are bare tap devices.
    bare: Vec<String>,
    /// What clients handed over for disks.
    groups: HashMap<String, DiskGroup>,
    /// Opened devices, by path.
    vdpa: HashMap<String, i32>,
}

impl Invented {
    pub(super) fn of(domain: &Domain, settings: &Settings) -> Self {
        let interfaces = domain.devices.interfaces.iter();
        let bare = interfaces.filter(|i| i.kind() == InterfaceType::Ethernet);
        Self {
            tpm: 0,
            bare: bare
                .filter_map(|i| i.info.alias().map(str::to_owned))
                .collect(),
            groups: settings.fd_groups.clone(),
            vdpa: settings.vdpa_fds.clone(),
        }
    }
}

impl Descriptors for Invented {
    fn is_cdrom_drive(&self, path: &str) -> bool {
        path == "/dev/cdrom"
    }

    fn listen_unix(&mut self, _alias: &str, _path: &Path) -> Result<i32> {
        Ok(1729)
    }

    fn char_file(
        &mut self,
        _alias: &str,
        used: FileUse,
        _path: &Path,
        _append: bool,
    ) -> Result<i32> {
        Ok(match used {
            FileUse::Source => 1750,
            FileUse::Log => 1751,
        })
    }

    fn tap(&mut self, alias: &str, queues: u32, vhost: VhostNet) -> Result<TapFds> {
        let count = |first: i32| {
            let numbers = (first..).take(queues as usize);
            numbers.map(|number| number.to_string()).collect()
        };
        Ok(TapFds {
            tap: count(if self.bare.iter().any(|a| a == alias) {
                3
            } else {
                102
            }),
            vhost: if vhost == VhostNet::No {
                Vec::new()
            } else {
                count(44)
            },
        })
    }

    fn vhost_vsock(&mut self, _cid: u32) -> Result<i32> {
        Ok(6789)
    }

    fn vhost_scsi(&mut self) -> Result<i32> {
        Ok(3)
    }

    fn vhost_vdpa(&mut self, path: &Path) -> Result<i32> {
        let opened = path.to_str().and_then(|path| self.vdpa.get(path));
        Ok(opened.copied().unwrap_or(1732))
    }

    fn disk_group(&mut self, name: &str) -> Result<DiskGroup> {
        let known = self.groups.get(name).cloned();
        known.ok_or_else(|| argv::unknown_disk_group(name))
    }

    fn scsi_generic(&self, _: &str, _: u32, _: u32, _: u64) -> Result<String> {
        Ok("/dev/sg0".to_owned())
    }

    fn vhost_user_gpu(&mut self, _alias: &str) -> Result<i32> {
        Ok(1729)
    }

    fn tpm(&mut self, _path: &Path) -> Result<i32> {
        self.tpm += 1;
        Ok(1729 + self.tpm)
    }
}
