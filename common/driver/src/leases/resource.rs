//! From a guest to what it must hold: the rule is the same whoever is asked, the names are not.

use sha2::Digest;
use virt_daemon::conf::{ConfError, Document};
use virt_domain::Domain;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::lease::Lease;
use virt_domain::devices::storage::Location;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// One thing to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its lock space: virtlockd's is a folder, empty for the one whose resources are paths; sanlock's
    /// is a name.
    pub space: String,
    /// Its name there.
    pub name: String,
    /// Others may hold it as well.
    pub shared: bool,
    /// Its file is made for it; virtlockd also removes it afterwards.
    pub transient: bool,
    /// Where sanlock keeps it.
    pub area: Option<Area>,
    /// What it is taken for, for people.
    pub purpose: String,
}

/// A place on storage that all hosts see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    /// File or block device.
    pub path: String,
    /// In bytes.
    pub offset: u64,
}

/// Which leases are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// One for each disk that can be written.
    pub auto_disk_leases: bool,
    /// A guest that can write to a disk has to name a lease itself.
    pub require_lease_for_disks: bool,
}

impl Policy {
    /// Takes the two keys that the files of all lock managers have.
    ///
    /// # Errors
    /// A wrong value, with file and line.
    pub(super) fn read(file: &mut Document, automatic: bool) -> Result<Self, ConfError> {
        let auto_disk_leases = file.switch("auto_disk_leases")?.unwrap_or(automatic);
        Ok(Self {
            auto_disk_leases,
            require_lease_for_disks: file
                .switch("require_lease_for_disks")?
                .unwrap_or(!auto_disk_leases),
        })
    }
}

/// What a lock manager calls the leases it is asked for.
pub(super) trait Names {
    /// A lease that the guest names.
    fn of_lease(&self, lease: &Lease) -> Result<Resource>;
    /// The lease for a disk.
    fn of_disk(&self, path: &str, shared: bool) -> Result<Resource>;
}

/// Everything that the guest must hold: its own leases first, then its disks.
///
/// # Errors
/// Those of the names; CONFIG_UNSUPPORTED when leases are required and none is there.
pub(super) fn wanted(domain: &Domain, policy: Policy, names: &impl Names) -> Result<Vec<Resource>> {
    let devices = &domain.devices;
    let leases = devices.leases.iter().map(|lease| names.of_lease(lease));
    let mut wanted = leases.collect::<Result<Vec<_>>>()?;
    let written: Vec<_> = devices
        .disks
        .iter()
        .filter(|disk| !disk.readonly)
        .filter_map(|disk| Some((disk, path_of(disk)?)))
        .collect();
    if policy.auto_disk_leases {
        for (disk, path) in &written {
            wanted.push(names.of_disk(path, disk.shareable)?);
        }
    }
    let needs_one =
        policy.require_lease_for_disks && written.iter().any(|(disk, _)| !disk.shareable);
    if needs_one && wanted.is_empty() {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Locking,
            "read/write, exclusive access, disks were present, but no leases specified",
        ));
    }
    Ok(wanted)
}

/// The path of a disk whose medium is on this host.
fn path_of(disk: &Disk) -> Option<&str> {
    match &disk.source.as_ref()?.location {
        Location::File { path, .. } | Location::Block { path } | Location::Dir { path } => {
            path.as_deref()
        }
        _ => None,
    }
}

/// The digest of a path, which names its lease, in hexadecimal.
pub(super) fn digest<D: Digest>(path: &str) -> String {
    let digest = D::digest(path.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
