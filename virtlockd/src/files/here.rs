//! Locks that this thread takes itself: of files that the kernel has in memory, on file systems that
//! ask nobody. Everything else is done by other processes.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode as Bits, OFlags, ResolveFlags, StatxFlags, openat2, statx,
};

use super::mounts::Mounts;
use crate::lease_file::{Kept, LeaseFile, Mode, Refusal};

/// What is known of mounts.
#[derive(Debug)]
pub struct Here(Mutex<Mounts>);

impl Here {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Mounts::new()))
    }

    /// Locks an image if that can be done from memory. A lease's own file is made and removed, for
    /// which any disk may be waited for.
    pub(super) fn lock(
        &self,
        path: &Path,
        mode: Mode,
        kept: Kept,
    ) -> Option<Result<LeaseFile, Refusal>> {
        if kept == Kept::Lease {
            return None;
        }
        let place = place_of(path)?;
        if !self.is_on_quick_mount(place.as_fd()) {
            return None;
        }
        // What was found, not what the path leads to by now.
        let found = format!("/proc/self/fd/{}", place.as_raw_fd());
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        // The errors of other files are told by those who may wait for them.
        let file = rustix::fs::open(found, flags, Bits::empty()).ok()?;
        let locked = LeaseFile::lock_open(file, path, mode, kept);
        Some(locked.map(LeaseFile::at_hand))
    }

    /// Whether the file is a plain one on a file system that asks nobody.
    pub(super) fn is_on_quick_mount(&self, file: BorrowedFd<'_>) -> bool {
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let Ok(about) = statx(file, "", flags, StatxFlags::MNT_ID | StatxFlags::TYPE) else {
            return false;
        };
        let known = StatxFlags::from_bits_retain(about.stx_mask);
        let plain = FileType::from_raw_mode(about.stx_mode.into()) == FileType::RegularFile;
        if !plain || !known.contains(StatxFlags::MNT_ID) {
            return false;
        }
        // A table that was being read is read again when it changes.
        let mut mounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mounts.is_quick(about.stx_mnt_id)
    }
}

/// The file at a path, if the kernel finds it without asking any file system; it isn't opened.
fn place_of(path: &Path) -> Option<OwnedFd> {
    let resolve = ResolveFlags::CACHED | ResolveFlags::NO_MAGICLINKS;
    openat2(
        CWD,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Bits::empty(),
        resolve,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_locked_here_and_what_asks_others_is_not() {
        let here = Here::new();
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::write(&image, "").unwrap();
        let take = |path: &Path, kept| here.lock(path, Mode::Exclusive, kept);
        assert!(take(&image, Kept::Lease).is_none());
        assert!(take(&folder.path().join("none"), Kept::File).is_none());
        assert!(take(folder.path(), Kept::File).is_none());
        assert!(take(Path::new("/proc/self/status"), Kept::File).is_none());
        let Some(taken) = take(&image, Kept::File) else {
            println!("SKIPPED: temporary files are on a file system that is not known as quick");
            return;
        };
        let taken = taken.unwrap();
        assert!(here.is_on_quick_mount(taken.descriptor()));
        assert!(matches!(
            take(&image, Kept::File),
            Some(Err(Refusal::Busy(_)))
        ));
    }
}
