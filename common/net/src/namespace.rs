//! Network namespaces: the host's, a container's, and one that a file holds on to.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount};

/// A network namespace, which stays as long as this does.
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// That of this thread.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn own() -> io::Result<Self> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// That of the process with this number. Whether the number still was the process's is to be looked
    /// at after this.
    ///
    /// # Errors
    /// `ENOENT` when there is none.
    pub fn of(pid: i32) -> io::Result<Self> {
        Self::open(Path::new(&format!("/proc/{pid}/ns/net")))
    }

    /// That which a file stands for.
    ///
    /// # Errors
    /// The file's; `EINVAL` for one that stands for none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // linux/magic.h, NSFS_MAGIC
        match rustix::fs::fstatfs(&file)?.f_type == 0x6e73_6673 {
            true => Ok(Self(file.into())),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Has a file hold on to it, whatever becomes of its processes.
    ///
    /// # Errors
    /// The file's or the mount's.
    pub fn hold(&self, path: &Path) -> io::Result<()> {
        File::create_new(path)?;
        let source = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.0));
        mount_bind(source, path)?;
        // No copy of it is to be left in another's mount namespace.
        mount_change(path, MountPropagationFlags::PRIVATE)?;
        Ok(())
    }

    /// Has a file hold on to none any more; one that is not there is fine.
    ///
    /// # Errors
    /// The mount's or the file's.
    pub fn let_go(path: &Path) -> io::Result<()> {
        loop {
            match unmount(path, UnmountFlags::DETACH) {
                Ok(()) => {}
                // Nothing is mounted there any more.
                Err(rustix::io::Errno::INVAL) => break,
                Err(rustix::io::Errno::NOENT) => return Ok(()),
                Err(other) => return Err(other.into()),
            }
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
