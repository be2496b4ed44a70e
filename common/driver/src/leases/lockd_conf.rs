//! `qemu-lockd.conf`: which leases are taken for disks, and where (the file's own comments, as
//! packaged with libvirt's lockd plugin; WIRE.md section 16).

use virt_daemon::conf::{ConfError, Document};

use super::Policy;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockdConf {
    /// Which leases are taken.
    pub policy: Policy,
    /// Folder of leases named by the digest of a file's path; without it the file itself is locked.
    pub file_space: Option<String>,
    /// Folder of leases named by the UUID of a logical volume.
    pub lvm_space: Option<String>,
    /// Folder of leases named by the id of a SCSI disk.
    pub scsi_space: Option<String>,
}

impl LockdConf {
    /// Takes every key of the file.
    ///
    /// # Errors
    /// A key that does not exist or whose value is wrong, with file and line.
    pub fn read(mut file: Document) -> Result<Self, ConfError> {
        let conf = Self {
            policy: Policy::read(&mut file, true)?,
            file_space: file.text("file_lockspace_dir")?,
            lvm_space: file.text("lvm_lockspace_dir")?,
            scsi_space: file.text("scsi_lockspace_dir")?,
        };
        file.finish()?;
        Ok(conf)
    }

    /// The lock spaces that have to be there.
    pub fn spaces(&self) -> impl Iterator<Item = &str> {
        let spaces = [&self.file_space, &self.lvm_space, &self.scsi_space];
        spaces.into_iter().filter_map(Option::as_deref)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(text: &str) -> Result<LockdConf, ConfError> {
        LockdConf::read(Document::parse(Path::new("qemu-lockd.conf"), text)?)
    }

    #[test]
    fn without_automatic_leases_a_guest_has_to_name_some() {
        let conf = read("").unwrap();
        assert!(conf.policy.auto_disk_leases && !conf.policy.require_lease_for_disks);
        let conf = read("auto_disk_leases = 0\n").unwrap();
        assert!(!conf.policy.auto_disk_leases && conf.policy.require_lease_for_disks);
        let conf = read("file_lockspace_dir = \"/f\"\nscsi_lockspace_dir = \"/s\"\n").unwrap();
        assert!(conf.spaces().eq(["/f", "/s"]));
        assert!(read("auto_disk_lease = 1\n").is_err());
    }
}
