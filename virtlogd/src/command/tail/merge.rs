//! All that is known of a guest, by time.

use std::io;
use std::path::{Path, PathBuf};

use super::output::Output;
use super::times::Times;
use crate::command::query;
use crate::lines::Lines;
use crate::marks::{self, Mark};
use crate::records::reader::Reader;
use crate::records::stored::Stored;

/// Longest mark, in bytes; none is written that long.
const MARK_MAX: u64 = 32 << 10;
/// Folders of drivers below that of logs, where guests' main logs are.
const DRIVERS: &[&str] = &["qemu", "qemu/log", "lxc"];

/// What is read of one guest.
#[derive(Debug)]
pub(super) struct Story {
    guest: String,
    folder: PathBuf,
    marks: Lines,
    times: Times,
    records: Reader,
    outputs: Vec<Output>,
    /// Of each source, records first, the next line; empty when it has none now.
    waiting: Vec<Option<(String, String)>>,
    known: bool,
}

impl Story {
    /// # Errors
    /// What is kept can't be read.
    pub(super) fn open(folder: &Path, guest: &str) -> io::Result<Self> {
        let mut this = Self {
            guest: guest.to_owned(),
            folder: folder.to_owned(),
            marks: Lines::open(&folder.join(marks::FILE), MARK_MAX)?,
            times: Times::default(),
            records: Reader::open(folder)?,
            outputs: Vec::new(),
            waiting: vec![None],
            known: false,
        };
        this.add_main_logs(guest)?;
        this.look_again()?;
        Ok(this)
    }

    /// Whether there is anything of that guest.
    pub(super) fn knows_the_guest(&self) -> bool {
        self.known
    }

    /// Reads the marks that came since, and learns of further logs.
    ///
    /// # Errors
    /// What is kept can't be read.
    pub(super) fn look_again(&mut self) -> io::Result<()> {
        while let Some(line) = self.marks.next_line()? {
            let Ok(mark) = serde_json::from_slice::<Mark<'_>>(&line.text) else {
                continue;
            };
            if mark.guest != self.guest && mark.uuid != self.guest {
                continue;
            }
            self.times.note(mark.inode, mark.offset, &mark.time);
            let path = PathBuf::from(&*mark.path);
            let name = mark.guest.into_owned();
            // Which of its logs is the main one shows in its name.
            self.add_main_logs(&name)?;
            self.add(path, false)?;
        }
        Ok(())
    }

    fn add_main_logs(&mut self, name: &str) -> io::Result<()> {
        // A name is no way into other folders.
        if name.contains('/') {
            return Ok(());
        }
        for driver in DRIVERS {
            let path = self.folder.join(driver).join(format!("{name}.log"));
            if path.is_file() {
                self.add(path, true)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, tells_time: bool) -> io::Result<()> {
        // One log may have several names.
        let path = path.canonicalize().unwrap_or(path);
        if self.outputs.iter().any(|output| output.path() == path) {
            return Ok(());
        }
        match Output::open(&path, tells_time) {
            Ok(output) => {
                self.outputs.push(output);
                self.waiting.push(None);
                self.known = true;
                Ok(())
            }
            // Its folder is gone, or it is another's by now.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => {
                eprintln!("virtlogd: '{}' can't be read: {e}", path.display());
                Ok(())
            }
        }
    }

    /// The earliest line that was not shown yet; none when there is none now.
    ///
    /// # Errors
    /// What is kept can't be read.
    pub(super) fn next_line(&mut self) -> io::Result<Option<String>> {
        for place in 0..self.waiting.len() {
            if self.waiting.get(place).is_some_and(Option::is_none) {
                let line = self.read(place)?;
                if let Some(waiting) = self.waiting.get_mut(place) {
                    *waiting = line;
                }
            }
        }
        let there = self.waiting.iter_mut().filter(|line| line.is_some());
        let first = there.min_by(|a, b| a.cmp(b));
        Ok(first.and_then(Option::take).map(|(_, line)| line))
    }

    fn read(&mut self, place: usize) -> io::Result<Option<(String, String)>> {
        let Some(place) = place.checked_sub(1) else {
            return self.next_record();
        };
        let Some(output) = self.outputs.get_mut(place) else {
            return Ok(None);
        };
        let Some((time, text)) = output.next_line(&self.times)? else {
            return Ok(None);
        };
        let name = output.path().file_name().unwrap_or_default();
        let name = query::shown(&name.to_string_lossy());
        // Older than the oldest mark.
        let shown = match time.is_empty() {
            true => "time unknown",
            false => &time,
        };
        let line = format!("{shown} {name}: {}", query::shown(&text));
        Ok(Some((time, line)))
    }

    fn next_record(&mut self) -> io::Result<Option<(String, String)>> {
        while let Some(record) = self.records.next_record()? {
            if self.is_about(&record) {
                self.known = true;
                return Ok(Some((record.time.to_string(), query::line(&record))));
            }
        }
        Ok(None)
    }

    fn is_about(&self, record: &Stored<'_>) -> bool {
        let is = |known: &Option<std::borrow::Cow<'_, str>>| known.as_deref() == Some(&*self.guest);
        is(&record.guest) || is(&record.uuid)
    }
}
