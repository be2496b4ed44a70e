//! From a guest to what it must hold: the rule is the same whoever is asked, the names are not.

use sha2::Digest;
use virt_daemon::conf::{ConfError, Document};
use virt_domain::Domain;
use virt_domain::devices::filesystem::FilesystemKind;
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
    let written: Vec<_> = images(domain).filter(|image| !image.readonly).collect();
    if policy.auto_disk_leases {
        for image in &written {
            wanted.push(names.of_disk(image.path, image.shareable)?);
        }
    }
    let needs_one = policy.require_lease_for_disks && written.iter().any(|image| !image.shareable);
    if needs_one && wanted.is_empty() {
        return Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Locking,
            "read/write, exclusive access, disks were present, but no leases specified",
        ));
    }
    Ok(wanted)
}

/// Storage of this host that a guest has to itself or shares.
pub(super) struct Image<'a> {
    pub(super) path: &'a str,
    readonly: bool,
    shareable: bool,
}

/// The media of its disks, and the file systems on images and devices that a container mounts.
pub(super) fn images(domain: &Domain) -> impl Iterator<Item = Image<'_>> {
    let disks = domain.devices.disks.iter().filter_map(|disk| {
        let path = match &disk.source.as_ref()?.location {
            Location::File { path, .. } | Location::Block { path } | Location::Dir { path } => path,
            _ => return None,
        };
        Some(Image {
            path: path.as_deref()?,
            readonly: disk.readonly,
            shareable: disk.shareable,
        })
    });
    let mounted = domain.devices.filesystems.iter().filter_map(|one| {
        let source = one.source.as_ref()?;
        let path = match one.kind {
            FilesystemKind::File => &source.file,
            FilesystemKind::Block => &source.dev,
            _ => return None,
        };
        Some(Image {
            path: path.as_deref()?,
            readonly: one.readonly,
            shareable: false,
        })
    });
    disks.chain(mounted)
}

/// The digest of a path, which names its lease, in hexadecimal.
pub(super) fn digest<D: Digest>(path: &str) -> String {
    let digest = D::digest(path.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
