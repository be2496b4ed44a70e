//! The lock itself: byte 0 of a file (WIRE.md section 16), held by an open file description.
//!
//! libvirt takes the same byte with a lock of its process; the kernel makes the two kinds exclude
//! each other. Ours stays when another descriptor of the same file is closed, and when this
//! process ends while another one has the descriptor.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{CWD, Mode as Bits, OFlags, ResolveFlags, openat2};
use serde::{Deserialize, Serialize};

/// How a lease is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// By one.
    Exclusive,
    /// By several who all say so.
    Shared,
}

/// What becomes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// It is someone's: it has to be there, and stays.
    File,
    /// It is made for the lease and removed with it.
    Lease,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum Refusal {
    /// Someone else has one that excludes it.
    Busy(Elsewhere),
    /// The system refused something: what, and how.
    System(String, io::Error),
    /// The file system has not answered in the time that was given.
    Silent(PathBuf),
    /// The process that was to do it ended instead.
    Lost(PathBuf),
}

/// What the kernel says of a lock that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Elsewhere {
    /// The process that has it, if it is a lock of a process of this host.
    pub pid: Option<i32>,
}

/// A file whose first byte we have locked.
#[derive(Debug)]
pub struct LeaseFile {
    file: OwnedFd,
    path: PathBuf,
    kept: Kept,
    at_hand: bool,
}

/// Only a file system that is busy removing files makes more than a few attempts necessary.
const ATTEMPTS: usize = 1000;

impl LeaseFile {
    /// Locks the file at `path`, without waiting.
    pub fn lock(path: &Path, mode: Mode, kept: Kept) -> Result<Self, Refusal> {
        for _ in 0..ATTEMPTS {
            let file = open(path, kept)?;
            let locked = Self::lock_open(file, path, mode, kept)?;
            if kept == Kept::File || is_at(&locked.file, path)? {
                return Ok(locked);
            }
            // The one who had it before has removed the file since we opened it.
        }
        let cause = io::Error::from_raw_os_error(libc::EAGAIN);
        Err(Refusal::System(unable(path, kept), cause))
    }

    /// Locks a file that is open for reading and writing.
    pub fn lock_open(file: OwnedFd, path: &Path, mode: Mode, kept: Kept) -> Result<Self, Refusal> {
        set_lock(file.as_fd(), kind(mode)).map_err(|e| refused(file.as_fd(), mode, path, e))?;
        Ok(Self::locked(file, path.to_owned(), kept))
    }

    /// A file that was locked before, by the descriptor that has the lock.
    pub fn locked(file: OwnedFd, path: PathBuf, kept: Kept) -> Self {
        Self {
            file,
            path,
            kept,
            at_hand: false,
        }
    }

    /// The same, on a file system that asks nobody: an open file stays on the one it is on.
    pub fn at_hand(mut self) -> Self {
        self.at_hand = true;
        self
    }

    /// Whether that is known of it.
    pub fn is_at_hand(&self) -> bool {
        self.at_hand
    }

    /// Gives the lock back, here and wherever else its descriptor is, and the file with it if it
    /// was only there for that. One that others still share stays.
    ///
    /// # Errors
    /// What the system refused; the rest was done.
    pub fn unlock(&self, mode: Mode) -> Result<(), Refusal> {
        let mut remove = self.kept == Kept::Lease;
        if remove && mode == Mode::Shared {
            remove = set_lock(self.file.as_fd(), libc::F_WRLCK).is_ok();
        }
        let removed = match remove {
            true => self::remove(&self.path),
            false => Ok(()),
        };
        let unlocked = unlock(self.file.as_fd()).map_err(|e| {
            let what = format!("Unable to unlock resource {}", self.path.display());
            Refusal::System(what, e)
        });
        unlocked.and(removed)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same lock, in another descriptor.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            path: self.path.clone(),
            kept: self.kept,
            at_hand: self.at_hand,
        })
    }

    /// The descriptor that has the lock, for another one to keep.
    pub fn into_descriptor(self) -> OwnedFd {
        self.file
    }

    /// The descriptor that has the lock.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// What becomes of the file.
    pub fn kept(&self) -> Kept {
        self.kept
    }
}

/// Gives a lock back whose file nothing else is known of.
pub fn unlock(file: BorrowedFd<'_>) -> io::Result<()> {
    Ok(set_lock(file, libc::F_UNLCK)?)
}

fn open(path: &Path, kept: Kept) -> Result<OwnedFd, Refusal> {
    let (flags, resolve) = match kept {
        // An image may be reached through links; that is its owner's business.
        Kept::File => (OFlags::empty(), ResolveFlags::NO_MAGICLINKS),
        // In our own folder nothing but plain files is ours.
        Kept::Lease => (
            OFlags::CREATE | OFlags::NOFOLLOW,
            ResolveFlags::NO_MAGICLINKS,
        ),
    };
    let flags = flags | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let bits = match kept {
        Kept::File => Bits::empty(),
        Kept::Lease => Bits::RUSR | Bits::WUSR,
    };
    openat2(CWD, path, flags, bits, resolve)
        .map_err(|e| Refusal::System(unable(path, kept), e.into()))
}

fn unable(path: &Path, kept: Kept) -> String {
    let what = match kept {
        Kept::File => "open",
        Kept::Lease => "open/create",
    };
    format!("Unable to {what} resource {}", path.display())
}

/// Whether the path still names this file.
fn is_at(file: &OwnedFd, path: &Path) -> Result<bool, Refusal> {
    let failed = |e: io::Error| {
        let what = format!("Unable to check status of resource {}", path.display());
        Refusal::System(what, e)
    };
    let ours = rustix::fs::fstat(file).map_err(|e| failed(e.into()))?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.st_dev, ours.st_ino)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed(e)),
    }
}

fn kind(mode: Mode) -> i32 {
    match mode {
        Mode::Exclusive => libc::F_WRLCK,
        Mode::Shared => libc::F_RDLCK,
    }
}

fn byte_zero(kind: i32) -> libc::flock {
    libc::flock {
        // The constants are 0, 1 and 2.
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    }
}

fn set_lock(file: BorrowedFd<'_>, kind: i32) -> nix::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&byte_zero(kind))).map(drop)
}

fn refused(file: BorrowedFd<'_>, mode: Mode, path: &Path, error: nix::Error) -> Refusal {
    match error {
        nix::Error::EAGAIN | nix::Error::EACCES => {
            let mut lock = byte_zero(kind(mode));
            let asked = fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock)).is_ok();
            // A lock of an open file description has no process, one of another host another's.
            let pid = (asked && lock.l_pid > 0).then_some(lock.l_pid);
            Refusal::Busy(Elsewhere { pid })
        }
        error => {
            let what = format!("Unable to acquire lock on resource {}", path.display());
            Refusal::System(what, error.into())
        }
    }
}

/// Makes the file of a lease that will be taken later; one that is there stays.
pub fn create(path: &Path) -> Result<(), Refusal> {
    open(path, Kept::Lease).map(drop)
}

/// Removes such a file; one that isn't there is no error.
pub fn remove(path: &Path) -> Result<(), Refusal> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            let what = format!("Unable to delete lockspace resource {}", path.display());
            Err(Refusal::System(what, e))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn posix_lock(path: &Path) -> nix::Result<File> {
        let file = File::options().read(true).write(true).open(path).unwrap();
        fcntl(&file, FcntlArg::F_SETLK(&byte_zero(libc::F_WRLCK)))?;
        Ok(file)
    }

    #[test]
    fn ours_and_a_lock_of_a_process_exclude_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        fs::write(&path, "").unwrap();
        let lease = LeaseFile::lock(&path, Mode::Exclusive, Kept::File).unwrap();
        assert!(posix_lock(&path).is_err());
        lease.unlock(Mode::Exclusive).unwrap();
        let other = posix_lock(&path).unwrap();
        let refusal = LeaseFile::lock(&path, Mode::Shared, Kept::File).unwrap_err();
        let here = Elsewhere {
            pid: i32::try_from(std::process::id()).ok(),
        };
        assert!(
            matches!(refusal, Refusal::Busy(other) if other == here),
            "{refusal:?}"
        );
        drop(other);
        assert!(path.exists());
    }

    #[test]
    fn a_shared_file_goes_with_the_last_of_those_who_share_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let lock = || LeaseFile::lock(&path, Mode::Shared, Kept::Lease).unwrap();
        let (one, other) = (lock(), lock());
        assert!(LeaseFile::lock(&path, Mode::Exclusive, Kept::Lease).is_err());
        one.unlock(Mode::Shared).unwrap();
        assert!(path.exists());
        other.unlock(Mode::Shared).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn the_lock_outlives_its_owner_where_the_descriptor_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        let lease = LeaseFile::lock(&path, Mode::Exclusive, Kept::Lease).unwrap();
        let elsewhere = lease.descriptor().try_clone_to_owned().unwrap();
        drop(lease);
        assert!(LeaseFile::lock(&path, Mode::Exclusive, Kept::Lease).is_err());
        let lease = LeaseFile::locked(elsewhere, path.clone(), Kept::Lease);
        lease.unlock(Mode::Exclusive).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn planted_links_are_not_followed_and_folders_are_no_images() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        let link = folder.path().join("lease");
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        assert!(LeaseFile::lock(&link, Mode::Exclusive, Kept::Lease).is_err());
        assert!(!victim.exists());
        let refusal = LeaseFile::lock(folder.path(), Mode::Exclusive, Kept::File).unwrap_err();
        assert!(matches!(refusal, Refusal::System(_, e) if e.raw_os_error() == Some(libc::EISDIR)));
    }
}
