//! Reads the lines of a file and its backups, the oldest first, and goes on as more come.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::chain;

/// Backups that are looked for: as many as may be configured.
const BACKUPS_MAX: u32 = 1024;

/// The lines of a file, across its backups.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    /// Longest line that is read, in bytes, its end included; what is longer is more than one.
    longest: u64,
    /// The newest file, read to its end so far.
    newest: Option<BufReader<File>>,
    /// Where in it the line that is being read begins.
    offset: u64,
    /// Older files that are not read yet, the oldest first.
    older: Vec<File>,
    line: Vec<u8>,
}

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Inode of its file.
    pub inode: u64,
    /// Where in it the line begins, in bytes.
    pub offset: u64,
    /// What it says.
    pub text: Vec<u8>,
}

impl Lines {
    /// Those of the file at that path. That there is none yet is no error.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn open(path: &Path, longest: u64) -> io::Result<Self> {
        let mut this = Self {
            path: path.to_owned(),
            longest,
            newest: None,
            offset: 0,
            older: Vec::new(),
            line: Vec::new(),
        };
        this.older = this.files()?;
        this.step();
        Ok(this)
    }

    /// The next line; none when all were read that are complete by now. Asked again, it has those that
    /// came since. A file that became a backup ends its last line.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let Some(file) = &mut self.newest else {
                // There was no file at all; there may be one now.
                self.older = self.files()?;
                if self.older.is_empty() {
                    return Ok(None);
                }
                self.step();
                continue;
            };
            let room = self.longest.saturating_sub(self.line.len() as u64);
            let read = io::Read::take(&mut *file, room).read_until(b'\n', &mut self.line)?;
            let whole = self.line.last() == Some(&b'\n') || self.line.len() as u64 >= self.longest;
            if whole {
                return self.take().map(Some);
            }
            if read > 0 {
                // Being written; what follows completes it.
                continue;
            }
            let last = match self.line.is_empty() {
                true => None,
                false => Some((self.inode()?, self.offset)),
            };
            let unended = std::mem::take(&mut self.line);
            if !self.turn_over()? {
                self.line = unended;
                return Ok(None);
            }
            if let Some((inode, offset)) = last {
                let text = unended;
                return Ok(Some(Line {
                    inode,
                    offset,
                    text,
                }));
            }
        }
    }

    fn take(&mut self) -> io::Result<Line> {
        let inode = self.inode()?;
        let mut text = std::mem::take(&mut self.line);
        let offset = self.offset;
        self.offset += text.len() as u64;
        if text.last() == Some(&b'\n') {
            text.pop();
        }
        Ok(Line {
            inode,
            offset,
            text,
        })
    }

    fn inode(&self) -> io::Result<u64> {
        match &self.newest {
            Some(file) => Ok(file.get_ref().metadata()?.ino()),
            None => Ok(0),
        }
    }

    /// All files, the oldest first, each as it is at one moment.
    fn files(&self) -> io::Result<Vec<File>> {
        let mut found: Vec<File> = Vec::new();
        let count =
            (0..BACKUPS_MAX).take_while(|number| chain::backup(&self.path, *number).exists());
        let count = u32::try_from(count.count()).unwrap_or(BACKUPS_MAX);
        for path in chain::oldest_first(&self.path, count) {
            // A pipe in its place would be waited for.
            let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW;
            let opened = File::options().read(true).custom_flags(flags).open(&path);
            match opened {
                Ok(file) => found.push(file),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    /// Begins with the next of the files.
    fn step(&mut self) {
        if !self.older.is_empty() {
            self.newest = Some(BufReader::new(self.older.remove(0)));
            self.line.clear();
            self.offset = 0;
        }
    }

    /// At the end of a file: whether there is something else to go on with.
    fn turn_over(&mut self) -> io::Result<bool> {
        if !self.older.is_empty() {
            self.step();
            return Ok(true);
        }
        let Some(newest) = &mut self.newest else {
            return Ok(false);
        };
        let own = newest.get_ref().metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => {
                if own.len() >= self.offset {
                    return Ok(false);
                }
                // It was truncated.
                newest.seek(SeekFrom::Start(0))?;
                self.offset = 0;
                return Ok(own.len() > 0);
            }
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        }
        // It became a backup; several may have since. Those after it are to be read.
        let files = self.files()?;
        let same = |file: &File| {
            file.metadata()
                .is_ok_and(|about| (about.dev(), about.ino()) == (own.dev(), own.ino()))
        };
        let after = files.iter().position(same).map_or(0, |place| place + 1);
        self.older = files.into_iter().skip(after).collect();
        let more = !self.older.is_empty();
        self.step();
        Ok(more)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn all(lines: &mut Lines) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            let text = String::from_utf8(line.text).unwrap();
            found.push(format!("{}:{text}", line.offset));
        }
        found
    }

    #[test]
    fn lines_are_followed_across_rotation_and_truncation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut lines = Lines::open(&path, 100).unwrap();
        assert_eq!(all(&mut lines), [] as [&str; 0]);
        fs::write(&path, "one\ntw").unwrap();
        assert_eq!(all(&mut lines), ["0:one"]);
        let append = |text: &str| {
            let mut file = File::options().append(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        append("o\nhalf");
        assert_eq!(all(&mut lines), ["4:two"]);
        chain::shift(&path, 3).unwrap();
        fs::write(&path, "new\n").unwrap();
        assert_eq!(all(&mut lines), ["8:half", "0:new"]);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(0)
            .unwrap();
        append("x\n");
        assert_eq!(all(&mut lines), ["0:x"]);
        let mut fresh = Lines::open(&path, 3).unwrap();
        assert_eq!(
            all(&mut fresh),
            ["0:one", "3:", "4:two", "7:", "8:hal", "11:f", "0:x"]
        );
    }
}
