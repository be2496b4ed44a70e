//! A snapshot's disks settled with the guest's.

use super::{DomainSnapshot, SnapshotDisk, SnapshotMemory, SnapshotState};
use crate::devices::disk::{Disk, DiskDevice, DiskSnapshot};
use crate::devices::storage::{Location, StorageKind, StorageSource};
use crate::moment::Listed;
use crate::refusal::unsupported;
use std::path::Path;
use virt_error::Result;

impl DomainSnapshot {
    /// Settles how memory and each of the guest's disks are kept: every disk is listed in the guest's
    /// order, those that nothing is said of as their definition says or as `default` is; new images
    /// that aren't named get a name made from the snapshot's. `uniform` is whether every disk that
    /// takes part has to be kept the same way, as `default` says.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED for disks the guest doesn't have, for contradictions, and where no name can
    /// be made.
    pub fn align(&mut self, disks: &[Disk], default: DiskSnapshot, uniform: bool) -> Result<()> {
        let off = matches!(
            self.state,
            Some(SnapshotState::Shutoff | SnapshotState::DiskSnapshot)
        );
        self.memory.get_or_insert(SnapshotMemory {
            mode: if off {
                DiskSnapshot::No
            } else {
                DiskSnapshot::Internal
            },
            file: None,
        });
        let named = std::mem::take(&mut self.disks);
        let mut listed = Listed::new(disks, named, |disk| &disk.name)?;
        for disk in disks {
            let mut own = match listed.take(disk.name()) {
                Some(own) => own,
                None => SnapshotDisk::named(""),
            };
            disk.name().clone_into(&mut own.name);
            own.settle(disk, default, uniform)?;
            self.disks.push(own);
        }
        self.name_images(disks)
    }

    /// Makes names for new images: the old one with what follows its last dot replaced.
    fn name_images(&mut self, disks: &[Disk]) -> Result<()> {
        let suffix = self.name.clone().unwrap_or_default();
        for (own, disk) in self.disks.iter_mut().zip(disks) {
            if own.snapshot != Some(DiskSnapshot::External) || own.path().is_some() {
                continue;
            }
            let refused = |why: &str| {
                Err(unsupported(format!(
                    "{why} for disk '{}'; name the new image in <source>",
                    own.name
                )))
            };
            let Some(Location::File {
                path: Some(path), ..
            }) = disk.source.as_ref().map(|source| &source.location)
            else {
                return refused("cannot generate external snapshot name");
            };
            if own.kind != StorageKind::File {
                return refused("cannot generate external snapshot name");
            }
            let file = Path::new(path).with_extension(&suffix);
            let file = file.to_string_lossy().into_owned();
            if file == *path {
                return refused("the generated snapshot name is that of the image itself");
            }
            own.source = Some(StorageSource::from(Location::File {
                path: Some(file),
                fdgroup: None,
            }));
        }
        Ok(())
    }
}

impl SnapshotDisk {
    fn settle(&mut self, disk: &Disk, default: DiskSnapshot, uniform: bool) -> Result<()> {
        let implied = match disk.snapshot {
            Some(mode) => mode,
            None if disk.readonly || disk.is_empty() || disk.device == DiskDevice::Floppy => {
                DiskSnapshot::No
            }
            None => default,
        };
        let said = self.snapshot.is_some();
        let mode = *self.snapshot.get_or_insert(implied);
        if mode != DiskSnapshot::External
            && let Some(path) = self.path()
        {
            return Err(unsupported(format!(
                "file '{path}' for disk '{}' requires use of external snapshot mode",
                self.name
            )));
        }
        // What the disk's own definition leaves out may stay out.
        if uniform && said && mode != default && mode != implied {
            return Err(unsupported(format!(
                "disk '{}' must use snapshot mode '{default}'",
                self.name
            )));
        }
        Ok(())
    }
}
