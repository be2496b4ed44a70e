//! Whether a user gets to a file at all: the commonest reason why a guest does not start.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::account::Account;

/// The folder at which a user is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The file that was to be reached.
    pub file: PathBuf,
    /// The folder that can't be passed.
    pub folder: PathBuf,
    /// The folder's permission bits.
    pub mode: u32,
    /// Who can't pass it.
    pub user: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Cannot access storage file '{}' (as user '{}'): the folder '{}' (mode {:04o}) can't be \
             passed; allow it with 'setfacl -m u:{}:x {}' or move the file",
            self.file.display(),
            self.user,
            self.folder.display(),
            self.mode,
            self.user,
            self.folder.display()
        )
    }
}

/// Whether `account` may pass every folder above `file`, by permission bits. A folder with an
/// access control list is taken to let it pass: the kernel has the last word.
///
/// # Errors
/// The first folder that can't be passed; one that can't be looked at is left to the open that
/// follows.
pub fn can_reach(account: &Account, file: &Path) -> Result<(), Refused> {
    if account.is_root() {
        return Ok(());
    }
    let mut folders: Vec<&Path> = file.ancestors().skip(1).collect();
    folders.reverse();
    for folder in folders {
        let Ok(found) = std::fs::metadata(folder) else {
            return Ok(());
        };
        let shift = if found.uid() == account.owner.uid {
            6
        } else if account.groups.contains(&found.gid()) {
            3
        } else {
            0
        };
        let mode = found.mode() & 0o7777;
        if mode >> shift & 1 == 0 && !has_list(folder).unwrap_or(true) {
            return Err(Refused {
                file: file.to_owned(),
                folder: folder.to_owned(),
                mode,
                user: account.name.clone(),
            });
        }
    }
    Ok(())
}

fn has_list(folder: &Path) -> io::Result<bool> {
    let mut none: [u8; 0] = [];
    match rustix::fs::getxattr(folder, "system.posix_acl_access", &mut none) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folder_that_stops_the_user_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let closed = dir.path().join("closed");
        std::fs::create_dir_all(closed.join("open")).unwrap();
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
        let stranger = Account::find("+54321", "+54321").unwrap();
        let refused = can_reach(&stranger, &closed.join("open/disk")).unwrap_err();
        assert_eq!(refused.folder, closed);
        assert!(refused.to_string().contains("mode 0700"), "{refused}");
        assert_eq!(can_reach(&stranger, &dir.path().join("disk")), Ok(()));
        let root = Account::find("root", "root").unwrap();
        assert_eq!(can_reach(&root, &closed.join("disk")), Ok(()));
    }
}
