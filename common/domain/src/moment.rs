//! What snapshots, checkpoints and backups have in common: disks named among a guest's.

use crate::devices::disk::Disk;
use crate::devices::storage::StorageSource;
use crate::refusal::unsupported;
use std::collections::HashMap;
use virt_error::Result;

/// What a document says of single disks, by the name of the guest's disk.
pub(crate) struct Listed<T> {
    by_target: HashMap<String, T>,
}

impl<T> Listed<T> {
    /// Finds each of `named` among the guest's disks, by target or by the path of the source.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED for one the guest doesn't have and one that is named twice.
    pub(crate) fn new(disks: &[Disk], named: Vec<T>, name: impl Fn(&T) -> &str) -> Result<Self> {
        let mut targets: HashMap<&str, &str> = HashMap::new();
        for disk in disks.iter().rev() {
            if let Some(path) = disk.source.as_ref().and_then(StorageSource::path) {
                targets.insert(path, disk.name());
            }
        }
        targets.extend(disks.iter().map(|disk| (disk.name(), disk.name())));
        let mut by_target = HashMap::new();
        for each in named {
            let given = name(&each);
            let Some(target) = targets.get(given) else {
                return Err(unsupported(format!("no disk named '{given}'")));
            };
            if by_target.contains_key(*target) {
                return Err(unsupported(format!("disk '{given}' specified twice")));
            }
            by_target.insert((*target).to_owned(), each);
        }
        Ok(Self { by_target })
    }

    /// Whether nothing is said of any disk.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_target.is_empty()
    }

    /// What is said of that disk.
    pub(crate) fn take(&mut self, target: &str) -> Option<T> {
        self.by_target.remove(target)
    }
}
