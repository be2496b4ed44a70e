//! What the next program has to know when this one dies: the lock spaces that drivers made, and the
//! processes of the guests that keep locks for us. Both are in the folder of the sockets, which
//! ends with the boot, as the locks do.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The folder of these files.
#[derive(Debug, Clone)]
pub struct Notes {
    folder: PathBuf,
}

/// A guest's process that keeps locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since the boot: another of the same number is not it.
    pub start_time: u64,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    content: T,
}

const VERSION: u32 = 1;
/// Longest file that is read, in bytes.
const FILE_MAX: u64 = 16 * 1024 * 1024;

impl Notes {
    /// Makes the folder.
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn new(folder: PathBuf) -> Result<Self, String> {
        let notes = Self { folder };
        let guests = notes.guests();
        virt_daemon::make_folder(&guests, 0o700)
            .map_err(|e| format!("'{}' can't be made: {e}", guests.display()))?;
        Ok(notes)
    }

    /// Writes the folders of all lock spaces down.
    pub fn write_spaces(&self, folders: &[&str]) {
        write(&self.folder.join("lockspaces"), &folders);
    }

    /// The folders that were written last; none if there is nothing, or nothing that can be read.
    pub fn spaces(&self) -> Vec<String> {
        read(&self.folder.join("lockspaces")).unwrap_or_default()
    }

    /// Writes down that this process keeps locks.
    pub fn write_guest(&self, process: Process) {
        write(&self.guests().join(process.pid.to_string()), &process);
    }

    /// The process is gone, or keeps nothing.
    pub fn remove_guest(&self, pid: u32) {
        // It may never have been written.
        let _ = fs::remove_file(self.guests().join(pid.to_string()));
    }

    /// The processes that were written down and not removed.
    pub fn processes(&self) -> Vec<Process> {
        let Ok(entries) = fs::read_dir(self.guests()) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                // One that was being written is nobody's yet, and its guest holds nothing.
                if path.extension().is_some() {
                    let _ = fs::remove_file(&path);
                    return None;
                }
                read(&path)
            })
            .collect()
    }

    fn guests(&self) -> PathBuf {
        self.folder.join("guests")
    }
}

fn write<T: Serialize>(path: &Path, content: &T) {
    let version = VERSION;
    let written = serde_json::to_vec(&Versioned { version, content })
        .map_err(io::Error::other)
        .and_then(|bytes| {
            let new = path.with_extension("new");
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options.open(&new)?.write_all(&bytes)?;
            fs::rename(&new, path)
        });
    if let Err(e) = written {
        tracing::error!(
            "'{}' can't be written: {e}; should virtlockd die, its successor won't know of this",
            path.display()
        );
    }
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    match serde_json::from_slice::<Versioned<T>>(&bytes) {
        Ok(read) if read.version == VERSION => Some(read.content),
        Ok(read) => {
            tracing::error!("'{}' is of version {}", path.display(), read.version);
            None
        }
        Err(e) => {
            tracing::error!("'{}' can't be read: {e}", path.display());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_rubbish_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let notes = Notes::new(folder.path().join("virtlockd")).unwrap();
        assert!(notes.spaces().is_empty());
        notes.write_spaces(&["/a", "/b"]);
        assert_eq!(notes.spaces(), ["/a", "/b"]);
        let process = Process {
            pid: 7,
            start_time: 9,
        };
        notes.write_guest(process);
        fs::write(folder.path().join("virtlockd/guests/8"), "x").unwrap();
        fs::write(folder.path().join("virtlockd/guests/9.new"), "").unwrap();
        assert_eq!(notes.processes(), [process]);
        notes.remove_guest(7);
        assert!(notes.processes().is_empty());
    }
}
