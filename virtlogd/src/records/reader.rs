//! Reads the records that are kept, the oldest first, and goes on as more come.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::store::FILE;
use super::stored::Stored;
use crate::chain;

/// Backups that are looked for: as many as may be configured.
const BACKUPS_MAX: u32 = 1024;
/// Longest line that is read; none is written that long.
const LINE_MAX: u64 = 4 << 20;

/// What was kept, as it was told.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// The newest file, read to its end so far.
    newest: Option<BufReader<File>>,
    /// Older files that are not read yet, the oldest first.
    older: Vec<File>,
    /// The last number of each program: a batch that was sent again comes twice.
    seen: HashMap<(String, u32, u64), u64>,
    line: Vec<u8>,
    /// Lines that are no records.
    broken: u64,
}

impl Reader {
    /// The records below the folder of logs. That there are none yet is no error.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let mut this = Self {
            older: Vec::new(),
            newest: None,
            seen: HashMap::new(),
            line: Vec::new(),
            broken: 0,
            path,
        };
        let files = this.files()?;
        this.older = files;
        this.step();
        Ok(this)
    }

    /// The next record; none when all were read that are there now. Asked again, it has those that came
    /// since.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn next_record(&mut self) -> io::Result<Option<Stored<'static>>> {
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
            let read = io::Read::take(&mut *file, LINE_MAX).read_until(b'\n', &mut self.line)?;
            if read == 0 {
                if !self.turn_over()? {
                    return Ok(None);
                }
                continue;
            }
            if self.line.last() != Some(&b'\n') {
                // Being written; what follows completes it.
                if (self.line.len() as u64) < LINE_MAX {
                    continue;
                }
            }
            let line = std::mem::take(&mut self.line);
            match serde_json::from_slice::<Stored<'static>>(&line) {
                Ok(record) if self.is_new(&record) => return Ok(Some(record)),
                Ok(_) => {}
                Err(_) => self.broken += 1,
            }
        }
    }

    /// Lines that were no records: half of one, where a program was killed, or others' work.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    fn is_new(&mut self, record: &Stored<'_>) -> bool {
        let key = (record.daemon.to_string(), record.pid, record.since);
        let last = self.seen.entry(key).or_default();
        let new = record.number > *last;
        *last = record.number.max(*last);
        new
    }

    /// All files, the oldest first, each as it is at one moment.
    fn files(&self) -> io::Result<Vec<File>> {
        let mut found: Vec<File> = Vec::new();
        let count =
            (0..BACKUPS_MAX).take_while(|number| chain::backup(&self.path, *number).exists());
        let count = u32::try_from(count.count()).unwrap_or(BACKUPS_MAX);
        for path in chain::oldest_first(&self.path, count) {
            match File::open(&path) {
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
        }
    }

    /// At the end of a file: whether there is another one to go on with.
    fn turn_over(&mut self) -> io::Result<bool> {
        if !self.older.is_empty() {
            self.step();
            return Ok(true);
        }
        let Some(newest) = &self.newest else {
            return Ok(false);
        };
        let own = newest.get_ref().metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => return Ok(false),
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
    use super::*;
    use crate::records::Store;
    use virt_rpc::protocol::records::{Kind, Priority, Record, Source};

    fn line(number: u64) -> Vec<u8> {
        let source = Source {
            daemon: "virtd".into(),
            pid: 1,
            since: 1,
        };
        let record = Record {
            time: number,
            priority: Priority::Info,
            kind: Kind::Message,
            category: "x".into(),
            file: "x.rs".into(),
            line: 7,
            function: "x".into(),
            thread: 9,
            message: number.to_string(),
            error: None,
            guest: None,
            origin: None,
            duration: None,
            fields: Vec::new(),
        };
        let mut out = Vec::new();
        Stored::new(&source, number, &record).push(&mut out);
        out
    }

    fn all(reader: &mut Reader) -> Vec<u64> {
        let mut found = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            found.push(record.number);
        }
        found
    }

    #[test]
    fn records_are_read_once_in_order_across_rotations() {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = Reader::open(folder.path()).unwrap();
        assert_eq!(all(&mut reader), [] as [u64; 0]);
        let size = 3 * line(10).len() as u64;
        let mut store = Store::new(folder.path(), size, 5);
        for number in 10..20 {
            store.append(&line(number)).unwrap();
        }
        // Sent again after its answer was lost.
        store.append(&line(19)).unwrap();
        assert_eq!(all(&mut reader), (10..20).collect::<Vec<_>>());
        for number in 20..29 {
            store.append(&line(number)).unwrap();
        }
        assert_eq!(all(&mut reader), (20..29).collect::<Vec<_>>());
        let mut fresh = Reader::open(folder.path()).unwrap();
        let read = all(&mut fresh);
        assert_eq!(read.last(), Some(&28));
        assert!(read.windows(2).all(|pair| pair[1] == pair[0] + 1));
        assert_eq!(fresh.broken(), 0);
    }

    #[test]
    fn a_line_that_is_being_written_is_waited_for_and_a_broken_one_passed_over() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::create(folder.path().join(FILE)).unwrap();
        let whole = line(1);
        file.write_all(&whole[..20]).unwrap();
        let mut reader = Reader::open(folder.path()).unwrap();
        assert_eq!(all(&mut reader), [] as [u64; 0]);
        file.write_all(&whole[20..]).unwrap();
        assert_eq!(all(&mut reader), [1]);
        file.write_all(b"{\"half\n").unwrap();
        file.write_all(&line(2)).unwrap();
        assert_eq!(all(&mut reader), [2]);
        assert_eq!(reader.broken(), 1);
    }
}
