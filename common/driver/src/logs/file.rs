//! Files that the daemon opens itself.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use virt_rpc::protocol::log::LogFilePosition;

use super::Existing;

/// Opens a file to be written by a guest, and makes it (0600) where there is none; not through a link
/// that someone planted in its place.
///
/// # Errors
/// The system's.
pub(super) fn open(path: &Path, existing: Existing) -> io::Result<File> {
    let further = match existing {
        Existing::GoesOn => OFlags::APPEND,
        Existing::Goes => OFlags::TRUNC,
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let flags = flags | OFlags::CLOEXEC | further;
    let mode = Mode::RUSR | Mode::WUSR;
    Ok(openat2(CWD, path, flags, mode, ResolveFlags::NO_MAGICLINKS)?.into())
}

/// Appends a text.
///
/// # Errors
/// The system's.
pub(super) fn append(path: &Path, text: &str) -> io::Result<()> {
    open(path, Existing::GoesOn)?.write_all(text.as_bytes())
}

/// Where the next byte goes.
///
/// # Errors
/// The system's.
pub(super) fn position(path: &Path) -> io::Result<LogFilePosition> {
    let about = std::fs::symlink_metadata(path)?;
    Ok(LogFilePosition {
        inode: about.ino(),
        offset: about.size(),
    })
}

/// What is there from a place on, `most` bytes of it at most; nothing when it is another file by now.
///
/// # Errors
/// The system's.
pub(super) fn read(path: &Path, from: &LogFilePosition, most: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?;
    let file = File::from(file);
    let about = file.metadata()?;
    if about.ino() != from.inode {
        return Ok(Vec::new());
    }
    let length = about.size().saturating_sub(from.offset).min(most);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let count = file.read_at(&mut bytes, from.offset)?;
    bytes.truncate(count);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_log_is_private_and_goes_on_or_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.log");
        append(&path, "one\n").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let from = position(&path).unwrap();
        append(&path, "two\n").unwrap();
        assert_eq!(read(&path, &from, 100).unwrap(), b"two\n");
        assert_eq!(read(&path, &from, 2).unwrap(), b"tw");
        open(&path, Existing::Goes).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn a_file_behind_a_planted_link_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (precious, link) = (folder.path().join("precious"), folder.path().join("log"));
        std::fs::write(&precious, "data").unwrap();
        std::os::unix::fs::symlink(&precious, &link).unwrap();
        assert!(open(&link, Existing::Goes).is_err());
        assert!(append(&link, "x").is_err());
        assert_eq!(std::fs::read(&precious).unwrap(), b"data");
    }
}
