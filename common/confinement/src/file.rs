//! A file of a guest, found by path and held while its owner changes.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};

use crate::owner::Owner;

/// Links followed at the end of a path, as many as the kernel follows.
const LINKS_MAX: usize = 40;

/// A file held by descriptor, so that what is looked at and what is changed are the same.
#[derive(Debug)]
pub struct File {
    fd: OwnedFd,
    stat: Stat,
}

impl File {
    /// Finds a file. A link at the end of the path is followed only when root or this daemon's
    /// own user made it: others could point it at a file that is not the guest's.
    ///
    /// # Errors
    /// The system's, or `PermissionDenied` that names the link.
    pub fn find(path: &Path) -> io::Result<Self> {
        let own = rustix::process::geteuid().as_raw();
        let mut path = PathBuf::from(path);
        for _ in 0..LINKS_MAX {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::open(&path, flags, Mode::empty())?;
            let stat = rustix::fs::fstat(&fd)?;
            if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink() {
                return Ok(Self { fd, stat });
            }
            if stat.st_uid != 0 && stat.st_uid != own {
                let what = format!(
                    "'{}' is a link made by user {}, which is not followed",
                    path.display(),
                    stat.st_uid
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
            }
            let target = rustix::fs::readlinkat(&fd, c"", Vec::new())?;
            let target = Path::new(std::ffi::OsStr::from_bytes(target.as_bytes()));
            path = match path.parent() {
                Some(folder) => folder.join(target),
                None => target.to_owned(),
            };
        }
        Err(rustix::io::Errno::LOOP.into())
    }

    /// Who owns it.
    pub fn owner(&self) -> Owner {
        Owner {
            uid: self.stat.st_uid,
            gid: self.stat.st_gid,
        }
    }

    /// Whether owners can be noted in its attributes: files and block devices.
    pub(crate) fn can_note(&self) -> bool {
        let kind = rustix::fs::FileType::from_raw_mode(self.stat.st_mode);
        kind.is_file() || kind.is_block_device()
    }

    /// What tells it from all other files.
    pub(crate) fn identity(&self) -> (u64, u64) {
        (self.stat.st_dev, self.stat.st_ino)
    }

    /// Looks again: others may have changed its owner.
    pub(crate) fn look_again(&mut self) -> io::Result<()> {
        self.stat = rustix::fs::fstat(&self.fd)?;
        Ok(())
    }

    /// Changes its owner.
    pub(crate) fn set_owner(&mut self, owner: Owner) -> io::Result<()> {
        let (uid, gid) = (
            rustix::fs::Uid::from_raw(owner.uid),
            rustix::fs::Gid::from_raw(owner.gid),
        );
        rustix::fs::chownat(&self.fd, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        self.stat = rustix::fs::fstat(&self.fd)?;
        Ok(())
    }

    /// A path that means this very file for as long as it is held.
    fn magic_path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.fd.as_fd().as_raw_fd()).into()
    }

    /// Opens it for the lock that keeps two daemons from changing owners at once.
    pub(crate) fn open(&self) -> io::Result<fs::File> {
        // A device that has no medium or is busy must not hold us up.
        fs::File::options()
            .read(true)
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(self.magic_path())
    }

    /// An attribute's text.
    pub(crate) fn attribute(&self, name: &str) -> io::Result<Option<String>> {
        let mut value = [0_u8; 256];
        match rustix::fs::getxattr(self.magic_path(), name, &mut value) {
            Ok(length) => {
                let text = value.get(..length).unwrap_or_default();
                Ok(Some(
                    String::from_utf8_lossy(text)
                        .trim_end_matches('\0')
                        .to_owned(),
                ))
            }
            Err(rustix::io::Errno::NODATA) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sets an attribute, or removes it.
    pub(crate) fn set_attribute(&self, name: &str, value: Option<&str>) -> io::Result<()> {
        let path = self.magic_path();
        let done = match value {
            Some(value) => rustix::fs::setxattr(
                path,
                name,
                value.as_bytes(),
                rustix::fs::XattrFlags::empty(),
            ),
            None => rustix::fs::removexattr(path, name),
        };
        match done {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::NODATA) if value.is_none() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_links_are_followed_to_their_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("one")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("one"), dir.path().join("two")).unwrap();
        let found = File::find(&dir.path().join("two")).unwrap();
        let direct = File::find(&file).unwrap();
        assert_eq!(found.stat.st_ino, direct.stat.st_ino);
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        assert!(File::find(&dir.path().join("loop")).is_err());
    }

    #[test]
    fn a_strangers_link_is_refused() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: needs root to make another user's link");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/etc/shadow", &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(12345), None).unwrap();
        let error = File::find(&link).unwrap_err();
        assert!(error.to_string().contains("user 12345"), "{error}");
    }
}
