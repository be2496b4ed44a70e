//! The file that names the running daemon and keeps a second one out.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};

use crate::make_folder;

/// A locked PID file; the lock goes with the process, the file with this value.
///
/// The lock is a classic fcntl write lock on the whole file, as libvirt's daemons take it, so that
/// theirs and ours keep each other out (WIRE.md section 13).
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _locked: File,
}

impl PidFile {
    /// Creates and locks the file.
    ///
    /// # Errors
    /// Another daemon holds it, or it can't be written: a sentence that names the file.
    pub fn acquire(path: &Path) -> Result<Self, String> {
        let failed = |what: &str, e: &dyn std::fmt::Display| {
            format!("PID file '{}' {what}: {e}", path.display())
        };
        if let Some(folder) = path.parent() {
            make_folder(folder, 0o755).map_err(|e| failed("needs its folder", &e))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)
            .map_err(|e| failed("can't be opened", &e))?;
        let lock = nix::libc::flock {
            l_type: nix::libc::F_WRLCK as i16,
            l_whence: nix::libc::SEEK_SET as i16,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_SETLK(&lock)).map_err(|e| match e {
            nix::Error::EACCES | nix::Error::EAGAIN => format!(
                "PID file '{}' is locked: another daemon runs here; stop it, or give this one \
                 another --root",
                path.display()
            ),
            e => failed("can't be locked", &e),
        })?;
        file.set_len(0)
            .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()))
            .map_err(|e| failed("can't be written", &e))?;
        Ok(Self {
            path: path.to_owned(),
            _locked: file,
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Still locked, so it is still ours to remove.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_the_process_and_goes_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/x.pid");
        let file = PidFile::acquire(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let text = PidFile::acquire(Path::new("/proc/none/x.pid")).unwrap_err();
        assert!(text.contains("/proc/none/x.pid"), "{text}");
    }
}
