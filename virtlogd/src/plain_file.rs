//! A file that this daemon writes at a path where others may do what they like.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

/// The file, open.
#[derive(Debug)]
pub struct PlainFile {
    pub file: File,
    /// Where it ends.
    pub size: u64,
    /// Device and inode.
    id: (u64, u64),
}

impl PlainFile {
    /// Opens the file for `access`, makes it if need be.
    ///
    /// # Errors
    /// What the system refused, or there is something else than a plain file.
    pub fn open(path: &Path, access: OFlags) -> io::Result<Self> {
        // Not through a link that someone planted at the file's place; NONBLOCK: nor waiting for the
        // other end of a pipe there.
        let flags = access
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = File::from(openat2(
            CWD,
            path,
            flags,
            mode,
            ResolveFlags::NO_MAGICLINKS,
        )?);
        let about = file.metadata()?;
        if !about.is_file() {
            let text = "there is something else than a plain file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self {
            file,
            size: about.len(),
            id: (about.dev(), about.ino()),
        })
    }

    /// The file at the path: others may have truncated, moved or removed the one that is `open` since it
    /// was written last, and then it is opened anew.
    ///
    /// # Errors
    /// As `again`, or the path can't be looked at.
    pub fn look(
        path: &Path,
        open: Option<Self>,
        again: impl FnOnce(&Path) -> io::Result<Self>,
    ) -> io::Result<Self> {
        let there = match fs::symlink_metadata(path) {
            Ok(there) => Some(there),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        match (open, there) {
            (Some(open), Some(there)) if (there.dev(), there.ino()) == open.id => Ok(Self {
                size: there.len(),
                ..open
            }),
            _ => again(path),
        }
    }

    /// Its number in its file system.
    pub fn inode(&self) -> u64 {
        self.id.1
    }
}
