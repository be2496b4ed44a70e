//! Reads the records that are kept, the oldest first, and goes on as more come.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::store::FILE;
use super::stored::Stored;
use crate::lines::Lines;

/// Longest line that is read; none is written that long.
const LINE_MAX: u64 = 4 << 20;

/// What was kept, as it was told.
#[derive(Debug)]
pub struct Reader {
    lines: Lines,
    /// The last number of each program: a batch that was sent again comes twice.
    seen: HashMap<(String, u32, u64), u64>,
    /// Lines that are no records.
    broken: u64,
}

impl Reader {
    /// The records below the folder of logs. That there are none yet is no error.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            lines: Lines::open(&folder.join(FILE), LINE_MAX)?,
            seen: HashMap::new(),
            broken: 0,
        })
    }

    /// The next record; none when all were read that are there now. Asked again, it has those that came
    /// since.
    ///
    /// # Errors
    /// The files can't be read.
    pub fn next_record(&mut self) -> io::Result<Option<Stored<'static>>> {
        while let Some(line) = self.lines.next_line()? {
            match serde_json::from_slice::<Stored<'static>>(&line.text) {
                Ok(record) if self.is_new(&record) => return Ok(Some(record)),
                Ok(_) => {}
                Err(_) => self.broken += 1,
            }
        }
        Ok(None)
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
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::records::Store;
    use virt_rpc::protocol::records::{Record, Source};

    fn line(number: u64) -> Vec<u8> {
        let source = Source {
            daemon: "virtd".into(),
            pid: 1,
            since: 1,
        };
        let record = Record {
            time: number,
            file: "x.rs".into(),
            line: 7,
            function: "x".into(),
            thread: 9,
            ..Record::new("x", number.to_string())
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
