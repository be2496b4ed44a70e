//! How much came, from whom, and what became of it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use virt_rpc::protocol::records::{Batch, Counted, Priority, RecordsFigures, Source};

/// Sources that are counted each for itself; programs come and go.
const SOURCES_MAX: usize = 1024;

/// The counts.
#[derive(Debug, Default)]
pub struct Figures {
    by_daemon: BTreeMap<String, [u64; 4]>,
    lost_by: BTreeMap<(String, u32, u64), u64>,
    lost_before: BTreeMap<String, u64>,
    batches: u64,
    bytes: u64,
    failures: u64,
    lag: u64,
    lag_max: u64,
}

impl Figures {
    /// A batch is written, with that many of its records new, as that many bytes.
    pub fn written(&mut self, batch: &Batch, new: usize, bytes: usize) {
        self.batches += 1;
        self.bytes += bytes as u64;
        let daemon = batch.source.daemon.to_string();
        let counts = self.by_daemon.entry(daemon).or_default();
        let skip = batch.records.len() - new;
        for record in &batch.records[skip..] {
            counts[record.priority as usize - 1] += 1;
        }
        self.lost(&batch.source, batch.lost);
        if let Some(last) = batch.records.last() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX);
            self.lag = now.saturating_sub(last.time);
            self.lag_max = self.lag_max.max(self.lag);
        }
    }

    /// A batch could not be written.
    pub fn failed(&mut self) {
        self.failures += 1;
    }

    /// They, with how often the file was rotated and what outputs did not take.
    pub fn snapshot(&self, rotated: u64, not_shown: u64) -> RecordsFigures {
        let mut counted = Vec::new();
        for (daemon, counts) in &self.by_daemon {
            for priority in Priority::ALL {
                counted.push(Counted {
                    daemon: daemon.clone(),
                    priority,
                    records: counts[priority as usize - 1],
                });
            }
        }
        let mut lost = self.lost_before.clone();
        for ((daemon, ..), count) in &self.lost_by {
            *lost.entry(daemon.clone()).or_default() += count;
        }
        RecordsFigures {
            counted,
            lost: lost.into_iter().collect(),
            batches: self.batches,
            bytes: self.bytes,
            failures: self.failures,
            rotated,
            not_shown,
            lag_ns: self.lag,
            lag_max_ns: self.lag_max,
        }
    }

    fn lost(&mut self, source: &Source, lost: u64) {
        if lost == 0 {
            return;
        }
        if self.lost_by.len() >= SOURCES_MAX {
            for ((daemon, ..), count) in std::mem::take(&mut self.lost_by) {
                *self.lost_before.entry(daemon).or_default() += count;
            }
        }
        let key = (source.daemon.to_string(), source.pid, source.since);
        self.lost_by.insert(key, lost);
    }
}
