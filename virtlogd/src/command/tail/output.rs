//! The lines of one of a guest's logs, each with its time.

use std::io;
use std::path::{Path, PathBuf};

use super::times::{Times, own};
use crate::lines::Lines;

/// Longest line that is shown as one, in bytes.
const LINE_MAX: u64 = 64 << 10;

/// A log that is read.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    lines: Lines,
    /// A main log: its lines may say when they were written. A console's may say anything.
    tells_time: bool,
    /// The time of the line before: a later one is not earlier.
    last: String,
}

impl Output {
    /// # Errors
    /// The log can't be read.
    pub(super) fn open(path: &Path, tells_time: bool) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            lines: Lines::open(path, LINE_MAX)?,
            tells_time,
            last: String::new(),
        })
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next line's time and text.
    ///
    /// # Errors
    /// The log can't be read.
    pub(super) fn next_line(&mut self, times: &Times) -> io::Result<Option<(String, String)>> {
        let Some(line) = self.lines.next_line()? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&line.text);
        let text = text.trim_end_matches('\r');
        let told = self.tells_time.then(|| own(text)).flatten();
        let time = told.or_else(|| times.of(line.inode, line.offset).map(str::to_owned));
        if let Some(time) = time.filter(|time| *time > self.last) {
            self.last = time;
        }
        Ok(Some((self.last.clone(), text.to_owned())))
    }
}
