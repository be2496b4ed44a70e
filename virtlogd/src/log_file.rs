//! One log file: what is appended to it, and when it becomes a backup.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use virt_rpc::protocol::log::LogFilePosition;

use crate::chain;
use crate::cut::{WINDOW, cut};
use crate::limits::Limits;
use crate::plain_file::PlainFile;
use crate::source::Source;
use crate::totals::TOTALS;

/// A file that is being written, by us alone.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    open: Option<PlainFile>,
    max_size: u64,
    backups: u32,
}

impl LogFile {
    /// Opens the file, makes it if need be. `truncate` removes it and its backups before.
    ///
    /// # Errors
    /// What the system refused, or there is something else than a plain file.
    pub fn open(path: &Path, limits: &Limits, truncate: bool) -> io::Result<Self> {
        if truncate {
            chain::remove(path, limits.backups)?;
        }
        let mut this = Self::later(path, limits);
        this.open = Some(open(path)?);
        Ok(this)
    }

    /// A file that is opened when something is written.
    pub fn later(path: &Path, limits: &Limits) -> Self {
        Self {
            path: path.to_owned(),
            open: None,
            max_size: limits.size,
            backups: limits.backups,
        }
    }

    /// Where the next byte goes.
    pub fn position(&self) -> LogFilePosition {
        let open = self.open.as_ref();
        LogFilePosition {
            inode: open.map_or(0, |open| open.inode()),
            offset: open.map_or(0, |open| open.size),
        }
    }

    /// Appends all that the source has; how much that was, in bytes.
    ///
    /// # Errors
    /// What the system refused. What was written before is gone from the source, the rest is in it.
    pub fn append(&mut self, source: &mut impl Source) -> io::Result<u64> {
        let mut written = 0;
        while let available @ 1.. = source.available()? {
            let max_size = self.max_size;
            let open = self.look()?;
            let room = match max_size {
                0 => available,
                most => most.saturating_sub(open.size),
            };
            let part = part(available, room, source)?;
            written += copy(open, part.bytes, source)?;
            if part.fills {
                chain::shift(&self.path, self.backups)?;
                TOTALS.rotated();
                self.open = None;
            }
        }
        Ok(written)
    }

    /// The file at our path: others may have truncated, moved or removed it since we wrote it last.
    fn look(&mut self) -> io::Result<&mut PlainFile> {
        let same = PlainFile::look(&self.path, self.open.take(), open)?;
        Ok(self.open.insert(same))
    }
}

/// What goes into a file next.
struct Part {
    bytes: u64,
    /// Whether what follows goes into the next file.
    fills: bool,
}

/// The next part of the bytes there are, for a file that has that much room.
fn part(available: u64, room: u64, source: &impl Source) -> io::Result<Part> {
    let window = room.min(WINDOW as u64);
    let (bytes, fills) = match room - window {
        _ if available <= room => (available, false),
        0 if window == 0 => (0, true),
        0 => match source.peek(window as usize)? {
            // All that fits can be seen.
            last if last.len() as u64 == window => (cut(&last) as u64, true),
            some => (some.len() as u64, false),
        },
        certain => (certain, false),
    };
    Ok(Part { bytes, fills })
}

fn copy(open: &mut PlainFile, length: u64, source: &mut impl Source) -> io::Result<u64> {
    let mut copied = 0;
    while copied < length {
        match source.copy(open.file.as_fd(), open.size, length - copied)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            some => {
                copied += some;
                open.size += some;
            }
        }
    }
    Ok(copied)
}

/// Not to append, for splice(2) does not take that: it is written where it ends.
fn open(path: &Path) -> io::Result<PlainFile> {
    PlainFile::open(path, OFlags::WRONLY)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::source::Text;

    fn limits(size: u64) -> Limits {
        Limits {
            size,
            backups: 3,
            age: None,
            root: PathBuf::new(),
        }
    }

    fn append(file: &mut LogFile, text: &str) {
        let written = file.append(&mut Text::new(text.as_bytes())).unwrap();
        assert_eq!(written, text.len() as u64);
    }

    fn contents(path: &Path) -> Vec<String> {
        chain::oldest_first(path, 3)
            .map(|file| fs::read_to_string(file).unwrap_or_default())
            .collect()
    }

    #[test]
    fn a_file_that_is_full_becomes_a_backup_at_a_lines_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut file = LogFile::open(&path, &limits(10), false).unwrap();
        append(&mut file, "abc\ndef\nghi\njkl\n");
        assert_eq!(contents(&path), ["", "", "abc\ndef\n", "ghi\njkl\n"]);
        append(&mut file, "0123456789ABCDEF");
        assert_eq!(contents(&path)[1..], ["ghi\njkl\n01", "23456789AB", "CDEF"]);
        assert_eq!(file.position().offset, 4);
    }

    #[test]
    fn what_lies_far_from_the_end_is_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut file = LogFile::open(&path, &limits(200), false).unwrap();
        let text = format!("a\n{}", "x".repeat(300));
        append(&mut file, &text);
        let sizes: Vec<_> = contents(&path).iter().map(String::len).collect();
        assert_eq!(sizes, [0, 0, 200, 102]);
    }

    #[test]
    fn a_file_that_is_too_large_already_is_moved_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "far too long").unwrap();
        let mut file = LogFile::open(&path, &limits(5), false).unwrap();
        append(&mut file, "new\n");
        assert_eq!(contents(&path)[2..], ["far too long", "new\n"]);
        let mut file = LogFile::open(&path, &limits(5), true).unwrap();
        append(&mut file, "x");
        assert_eq!(contents(&path), ["", "", "", "x"]);
    }

    #[test]
    fn what_others_did_to_the_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut file = LogFile::open(&path, &limits(0), false).unwrap();
        append(&mut file, "one");
        fs::File::create(&path).unwrap();
        append(&mut file, "two");
        assert_eq!(contents(&path)[3], "two");
        fs::rename(&path, folder.path().join("moved")).unwrap();
        append(&mut file, "three");
        fs::remove_file(&path).unwrap();
        append(&mut file, "four");
        assert_eq!(contents(&path)[3], "four");
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(file.append(&mut Text::new(b"five")).is_err());
        fs::create_dir(folder.path()).unwrap();
        append(&mut file, "six");
        assert_eq!(contents(&path)[3], "six");
    }

    #[test]
    fn links_and_devices_are_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(LogFile::open(&link, &limits(0), false).is_err());
        assert!(LogFile::open(Path::new("/dev/null"), &limits(0), false).is_err());
    }
}
