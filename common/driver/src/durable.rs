//! Replacing a file so that a crash at any instruction leaves the old one or the new one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Replaces `path` by `parts` one after the other: written to `path` with `.new` appended, synced,
/// renamed (WIRE.md section 25). The file is readable and writable by its owner alone.
///
/// The directory is not synced, as with the stock daemon: a power cut right afterwards may bring
/// back the old file, whole. On failure the new file is removed again.
///
/// # Errors
/// The system's error of the step that failed.
pub fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let new = temporary(path);
    let written = write_synced(&new, parts).and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        // The first failure is the one to tell; a left-over is overwritten the next time.
        let _ = std::fs::remove_file(&new);
    }
    written
}

/// The name a file has until it is complete.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn write_synced(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_is_replaced_whole_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xml");
        replace(&path, &[b"old and long"]).unwrap();
        replace(&path, &[b"new", b"er"]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"newer");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!temporary(&path).exists());
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.xml");
        std::fs::create_dir(&path).unwrap();
        let error = replace(&path, &[b"x"]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::EISDIR));
        assert!(!temporary(&path).exists());
    }
}
