//! Records that wait to be sent to virtlogd.
//!
//! Putting one here never waits. There is room for [`RECORDS_MAX`] records and [`BYTES_MAX`] bytes; what
//! comes when that is full is lost and counted, and once there is room again the first record that
//! follows says how many were.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use virt_rpc::protocol::records::{BATCH_MAX, Batch, Priority, Record, Source, Word};

use super::event::{fact, now};

/// Records that may wait.
pub const RECORDS_MAX: usize = 8192;
/// Bytes of records that may wait.
pub const BYTES_MAX: usize = 4 << 20;
/// Bytes after which a batch takes no further record.
const BATCH_BYTES: usize = 1 << 20;

/// The records of this program that wait.
#[derive(Debug)]
pub struct Outgoing {
    source: Source,
    queue: Mutex<Queue>,
    arrived: Notify,
    sent: Notify,
}

/// How many records there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutgoingFigures {
    /// They wait, or are on their way.
    pub waiting: u64,
    /// virtlogd has them.
    pub sent: u64,
    /// Nobody has.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Record>,
    bytes: usize,
    /// Records handed out that are not known to have arrived, and their bytes.
    under_way: (usize, usize),
    /// Records that were handed out so far.
    numbered: u64,
    /// Records that were lost, and how many of them were told of.
    lost: u64,
    told: u64,
}

impl Outgoing {
    pub(super) fn new(daemon: &'static str) -> Self {
        let source = Source {
            daemon: Word::Borrowed(daemon),
            pid: std::process::id(),
            since: now(),
        };
        Self {
            source,
            queue: Mutex::default(),
            arrived: Notify::new(),
            sent: Notify::new(),
        }
    }

    /// Has a record sent when it can be.
    pub fn push(&self, record: Record) {
        let weight = record.weight();
        let mut queue = self.queue();
        if queue.is_full(weight) {
            queue.lost += 1;
            return;
        }
        queue.tell_of_loss();
        queue.bytes += weight;
        queue.records.push_back(record);
        drop(queue);
        self.arrived.notify_one();
    }

    /// Resolves when some wait.
    pub async fn some(&self) {
        while self.queue().records.is_empty() {
            // A notification between the look and this is kept.
            self.arrived.notified().await;
        }
    }

    /// The oldest records, once there are some. They count as waiting until [`Self::arrived`]. There
    /// is one who takes.
    pub async fn take(&self) -> Batch {
        loop {
            self.some().await;
            if let Some(batch) = self.queue().take(&self.source) {
                return batch;
            }
        }
    }

    /// Whether as many records wait as a batch has.
    pub fn fills_a_batch(&self) -> bool {
        let queue = self.queue();
        queue.records.len() >= BATCH_MAX || queue.bytes >= BATCH_BYTES
    }

    /// What was last [taken](Self::take) is written.
    pub fn arrived(&self) {
        self.queue().under_way = (0, 0);
        self.sent.notify_waiters();
    }

    /// What was last [taken](Self::take) will never be written; the sender has said so.
    pub fn given_up(&self) {
        let mut queue = self.queue();
        let (records, _) = std::mem::take(&mut queue.under_way);
        queue.lost += records as u64;
        queue.told += records as u64;
        drop(queue);
        self.sent.notify_waiters();
    }

    /// Resolves when nothing waits.
    pub async fn emptied(&self) {
        loop {
            let sent = self.sent.notified();
            tokio::pin!(sent);
            sent.as_mut().enable();
            if self.figures().waiting == 0 {
                return;
            }
            sent.await;
        }
    }

    /// How many there were.
    pub fn figures(&self) -> OutgoingFigures {
        let queue = self.queue();
        OutgoingFigures {
            waiting: (queue.records.len() + queue.under_way.0) as u64,
            sent: queue.numbered - queue.under_way.0 as u64,
            lost: queue.lost,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic in between leaves whole records.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn is_full(&self, weight: usize) -> bool {
        let (records, bytes) = self.under_way;
        self.records.len() + records >= RECORDS_MAX || self.bytes + bytes + weight > BYTES_MAX
    }

    /// Puts in, where they would be, a record for those that are missing.
    fn tell_of_loss(&mut self) {
        let missing = self.lost - self.told;
        if missing == 0 {
            return;
        }
        self.told = self.lost;
        let record = loss(missing);
        self.bytes += record.weight();
        self.records.push_back(record);
    }

    fn take(&mut self, source: &Source) -> Option<Batch> {
        if self.records.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = |record: &&Record| {
            let before = bytes;
            bytes += record.weight();
            before < BATCH_BYTES
        };
        let count = self.records.iter().take(BATCH_MAX).take_while(fits).count();
        let records: Vec<_> = self.records.drain(..count).collect();
        let bytes = records.iter().map(Record::weight).sum();
        self.bytes -= bytes;
        self.under_way = (count, bytes);
        let first = self.numbered + 1;
        self.numbered += count as u64;
        // The last ones before the loss are on their way: nobody may ever come after them.
        if self.records.is_empty() {
            self.tell_of_loss();
        }
        Some(Batch {
            source: source.clone(),
            first,
            lost: self.lost,
            records,
        })
    }
}

fn loss(missing: u64) -> Record {
    let text = format!("{missing} records are lost: virtlogd did not take them in time");
    Record {
        priority: Priority::Warning,
        fields: vec![(Word::Borrowed("lost"), missing.to_string())],
        ..fact(module_path!(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(message: &str) -> Record {
        Record {
            message: message.to_owned(),
            fields: Vec::new(),
            ..loss(0)
        }
    }

    fn messages(batch: &Batch) -> Vec<&str> {
        batch.records.iter().map(|r| r.message.as_str()).collect()
    }

    #[test]
    fn what_is_lost_is_told_of_once_where_it_is_missing() {
        let outgoing = Outgoing::new("virtd");
        let take = || outgoing.queue().take(&outgoing.source);
        for number in 0..RECORDS_MAX + 5 {
            outgoing.push(record(&number.to_string()));
        }
        let mut batches = Vec::new();
        let mut expected = 1;
        while let Some(batch) = take() {
            assert_eq!(batch.first, expected);
            expected += batch.records.len() as u64;
            outgoing.arrived();
            batches.push(batch);
        }
        outgoing.push(record("after"));
        batches.push(take().unwrap());
        let all: Vec<_> = batches.iter().flat_map(messages).collect();
        assert_eq!(all.len(), RECORDS_MAX + 2);
        assert_eq!(all[RECORDS_MAX - 1], (RECORDS_MAX - 1).to_string());
        assert!(all[RECORDS_MAX].starts_with("5 records are lost"));
        assert_eq!(all[RECORDS_MAX + 1], "after");
        let figures = outgoing.figures();
        assert_eq!((figures.waiting, figures.lost), (1, 5));
    }

    #[test]
    fn long_records_are_bounded_by_their_bytes_and_so_are_batches() {
        let outgoing = Outgoing::new("virtd");
        let long = "x".repeat(64 * 1024);
        for _ in 0..200 {
            outgoing.push(record(&long));
        }
        assert!(outgoing.figures().lost > 100);
        let batch = outgoing.queue().take(&outgoing.source).unwrap();
        assert!(batch.records.len() <= 17, "{}", batch.records.len());
        // What is on its way takes room until it has arrived.
        for _ in 0..200 {
            outgoing.push(record(&long));
        }
        let queue = outgoing.queue();
        assert!(queue.bytes + queue.under_way.1 <= BYTES_MAX);
    }
}
