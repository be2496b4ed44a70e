//! When which part of a log was written. Guests' output has no times of its own; a mark says that what is
//! in the log from a place on came at a moment or after it. `virtlogd tail` places lines by that, and
//! learns from marks which logs a guest has.
//!
//! A mark is made when a log is opened, when output comes after a second without, and every ten seconds
//! while it does not stop. They are lines of JSON in one file for all logs. Losing them loses times, not
//! output, so that nobody waits for them: what does not fit into the queue is dropped.

use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use virt_daemon::logging::hyphenated;
use virt_rpc::protocol::log::LogFilePosition;

use crate::owner::Owner;
use crate::records::Store;
use crate::records::stored::moment;

/// Their file, in the folder of logs.
pub const FILE: &str = "written.jsonl";
/// Where it becomes a backup, in bytes, and how many of those there are.
const SIZE: u64 = 8 << 20;
const BACKUPS: u32 = 3;
/// Marks that may wait to be written.
const QUEUE: usize = 4096;
/// Output after so long a time without is marked at once.
const SILENCE: Duration = Duration::from_secs(1);
/// Output that goes on is marked so often.
const EVERY: Duration = Duration::from_secs(10);

/// What is kept of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark<'a> {
    /// As records have it.
    pub time: Cow<'a, str>,
    /// The guest's name.
    pub guest: Cow<'a, str>,
    /// Its UUID.
    pub uuid: Cow<'a, str>,
    /// The log.
    pub path: Cow<'a, str>,
    /// Inode of its file.
    pub inode: u64,
    /// What begins here in it came then or later.
    pub offset: u64,
}

/// Takes marks.
#[derive(Debug, Clone)]
pub struct Marks(mpsc::Sender<Vec<u8>>);

impl Marks {
    /// Writes into that folder from now on. Must be called in a runtime.
    pub fn new(folder: &Path) -> Self {
        let (sender, mut lines) = mpsc::channel::<Vec<u8>>(QUEUE);
        let mut store = Store::at(folder.join(FILE), SIZE, BACKUPS);
        tokio::spawn(async move {
            while let Some(mut text) = lines.recv().await {
                while let Ok(more) = lines.try_recv() {
                    text.extend(more);
                }
                let written = spawn_blocking(move || {
                    let written = store.append(&text);
                    (store, written)
                });
                let Ok((back, written)) = written.await else {
                    return;
                };
                store = back;
                if let Err(error) = written {
                    tracing::debug!("times of guests' output are not kept: {error}");
                }
            }
        });
        Self(sender)
    }

    /// What is in that log from there on comes from now on.
    pub fn note(&self, path: &Path, owner: &Owner, from: &LogFilePosition) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_nanos();
        let mark = Mark {
            time: moment(u64::try_from(now).unwrap_or(u64::MAX)).into(),
            guest: (&*owner.name).into(),
            uuid: hyphenated(&owner.uuid).into(),
            path: path.to_string_lossy(),
            inode: from.inode,
            offset: from.offset,
        };
        // Texts and numbers have a form in JSON.
        if let Ok(mut line) = serde_json::to_vec(&mark) {
            line.push(b'\n');
            let _ = self.0.try_send(line);
        }
    }
}

/// When one log is to be marked again.
#[derive(Debug, Default)]
pub struct Pace {
    marked: Option<Duration>,
    written: Option<Duration>,
}

impl Pace {
    /// Whether output that comes now is to be marked; `now` is any clock that only goes forward.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let since = |then: Option<Duration>| then.map_or(Duration::MAX, |then| now - then);
        let due = since(self.written) >= SILENCE || since(self.marked) >= EVERY;
        self.written = Some(now);
        if due {
            self.marked = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_silence_is_marked_and_what_goes_on_now_and_then() {
        let mut pace = Pace::default();
        let due: Vec<u64> = (0..300)
            .chain([310, 311, 330])
            .filter(|tenths| pace.is_due(Duration::from_millis(tenths * 100)))
            .collect();
        assert_eq!(due, [0, 100, 200, 310, 330]);
    }
}
