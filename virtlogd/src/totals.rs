//! What became of guests' output since this program began, of all logs together.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counts: of the program, as its log files are.
#[derive(Debug)]
pub struct Totals {
    moved: AtomicU64,
    rotated: AtomicU64,
    dropped: AtomicU64,
}

/// They.
pub static TOTALS: Totals = Totals {
    moved: AtomicU64::new(0),
    rotated: AtomicU64::new(0),
    dropped: AtomicU64::new(0),
};

impl Totals {
    /// Bytes reached a file.
    pub fn moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A file became a backup.
    pub fn rotated(&self) {
        self.rotated.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes were thrown away.
    pub fn dropped(&self, bytes: u64) {
        self.dropped.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes moved, files rotated, bytes thrown away.
    pub fn now(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.moved), read(&self.rotated), read(&self.dropped))
    }
}
