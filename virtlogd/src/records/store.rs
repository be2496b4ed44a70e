//! The file of records and its backups.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::chain;
use crate::plain_file::PlainFile;

/// Its name, in the folder of logs; backups are `records.jsonl.0` (the newest) and so on.
pub const FILE: &str = "records.jsonl";

/// Writes the records' lines.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    max_size: u64,
    backups: u32,
    open: Option<PlainFile>,
    rotated: u64,
}

impl Store {
    /// The file below `folder`; it is opened when something is written.
    pub fn new(folder: &Path, max_size: u64, backups: u32) -> Self {
        Self::at(folder.join(FILE), max_size, backups)
    }

    /// The same with a file of another name.
    pub fn at(path: PathBuf, max_size: u64, backups: u32) -> Self {
        Self {
            path,
            max_size,
            backups,
            open: None,
            rotated: 0,
        }
    }

    /// Appends whole lines; all are in one file. A file that would become too large becomes a backup
    /// before.
    ///
    /// # Errors
    /// What the system refused: nothing of it is in the file then, but for what a full disk took of it,
    /// which is taken back.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let (max_size, length) = (self.max_size, lines.len() as u64);
        let open = self.look()?;
        if max_size > 0 && open.size > 0 && open.size + length > max_size {
            chain::shift(&self.path, self.backups)?;
            self.open = None;
            self.rotated += 1;
        }
        let open = self.look()?;
        match open.file.write_all(lines) {
            Ok(()) => {
                open.size += length;
                Ok(())
            }
            Err(e) => {
                // Half a line would spoil the next one. Where that fails as well, the next look ends it.
                let _ = open.file.set_len(open.size);
                self.open = None;
                Err(e)
            }
        }
    }

    /// How many files became backups.
    pub fn rotated(&self) -> u64 {
        self.rotated
    }

    /// The file at our path: others may have truncated, moved or removed it since we wrote it last.
    fn look(&mut self) -> io::Result<&mut PlainFile> {
        let same = PlainFile::look(&self.path, self.open.take(), open)?;
        Ok(self.open.insert(same))
    }
}

fn open(path: &Path) -> io::Result<PlainFile> {
    let mut open = PlainFile::open(path, OFlags::RDWR | OFlags::APPEND)?;
    if open.size > 0 {
        // A program that was killed may have left half a line.
        open.file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        open.file.read_exact(&mut last)?;
        if last != *b"\n" {
            open.file.write_all(b"\n")?;
            open.size += 1;
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn contents(folder: &Path) -> Vec<String> {
        chain::oldest_first(&folder.join(FILE), 2)
            .map(|file| fs::read_to_string(file).unwrap_or_default())
            .collect()
    }

    #[test]
    fn files_are_bounded_in_size_and_number_and_lines_stay_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::new(folder.path(), 10, 2);
        for text in ["one\n", "two\n", "three\n", "four\nfive\nsix\n", "7\n"] {
            store.append(text.as_bytes()).unwrap();
        }
        assert_eq!(
            contents(folder.path()),
            ["three\n", "four\nfive\nsix\n", "7\n"]
        );
        assert_eq!(store.rotated(), 3);
        let mode = fs::metadata(folder.path().join(FILE)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn half_a_line_of_a_program_that_was_killed_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "whole\nhal").unwrap();
        let mut store = Store::new(folder.path(), 0, 2);
        store.append(b"next\n").unwrap();
        assert_eq!(contents(folder.path())[2], "whole\nhal\nnext\n");
    }

    #[test]
    fn a_file_that_is_removed_is_made_again_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut store = Store::new(folder.path(), 0, 2);
        store.append(b"one\n").unwrap();
        fs::remove_file(&path).unwrap();
        store.append(b"two\n").unwrap();
        assert_eq!(contents(folder.path())[2], "two\n");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(store.append(b"three\n").is_err());
        fs::remove_file(&path).unwrap();
        store.append(b"three\n").unwrap();
        assert_eq!(contents(folder.path())[2], "three\n");
    }
}
