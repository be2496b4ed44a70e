//! The thread that writes records: what it writes to may not answer, and guests' pipes must not wait
//! for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use virt_daemon::logging::Logging;
use virt_rpc::protocol::records::{AuditFigures, Batch, RecordsFigures, Source};

use super::figures::Figures;
use super::store::Store;
use super::stored::Stored;
use crate::trail::AuditTrail;

/// Batches that wait for the thread; their senders wait for an answer with each.
const WAITING_MAX: usize = 64;
/// Sources of which it is known how far they were written; programs come and go.
const SOURCES_MAX: usize = 1024;

/// The way to the thread. It ends with the last clone.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    figures: Figures,
    rotated: u64,
    not_shown: u64,
    audit: AuditFigures,
}

struct Job {
    batch: Batch,
    /// Whether this daemon's own outputs have it: what it tells itself goes there directly.
    shown: bool,
    done: oneshot::Sender<Result<(), String>>,
}

/// How far a source's records were written: the number of the next one.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// In the outputs and in the audit trail, as far as they took it.
    told: u64,
    /// In the file.
    stored: u64,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// There can be no thread: a sentence.
    pub fn start(
        mut store: Store,
        logging: Logging,
        mut trail: AuditTrail,
    ) -> Result<Self, String> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_MAX);
        let state: Arc<Mutex<State>> = Arc::default();
        lock(&state).audit = trail.figures().clone();
        let shared = Arc::clone(&state);
        let work = move || {
            let mut known = HashMap::new();
            while let Some(job) = waiting.blocking_recv() {
                let written = write(&mut store, &logging, &mut trail, &mut known, &shared, &job);
                // Who does not wait any more sends it again.
                let _ = job.done.send(written);
            }
        };
        std::thread::Builder::new()
            .name("records".to_owned())
            .spawn(work)
            .map_err(|e| format!("records can't be written: no thread can be started: {e}"))?;
        Ok(Self { jobs, state })
    }

    /// Writes a batch; a part that was written before is passed over. `shown` says that this daemon's
    /// outputs have it already.
    ///
    /// # Errors
    /// It is not in the file of records: a sentence. It may be sent again.
    pub async fn write(&self, batch: Batch, shown: bool) -> Result<(), String> {
        let (done, written) = oneshot::channel();
        let ended = || "the thread that writes records has ended".to_owned();
        let job = Job { batch, shown, done };
        self.jobs.send(job).await.map_err(|_| ended())?;
        written.await.map_err(|_| ended())?
    }

    /// What became of audit records.
    pub fn audit_figures(&self) -> AuditFigures {
        lock(&self.state).audit.clone()
    }

    /// How much came.
    pub fn figures(&self) -> RecordsFigures {
        let state = lock(&self.state);
        state.figures.snapshot(state.rotated, state.not_shown)
    }
}

fn write(
    store: &mut Store,
    logging: &Logging,
    trail: &mut AuditTrail,
    known: &mut HashMap<Source, Progress>,
    state: &Mutex<State>,
    job: &Job,
) -> Result<(), String> {
    let batch = &job.batch;
    if known.len() >= SOURCES_MAX && !known.contains_key(&batch.source) {
        known.clear();
    }
    let progress = known.entry(batch.source.clone()).or_insert(Progress {
        told: batch.first,
        stored: batch.first,
    });
    let end = batch.first + batch.records.len() as u64;
    if progress.told < end {
        let new = from(batch, progress.told);
        if !job.shown {
            logging.write(batch, new);
        }
        let records = batch.records[new..].iter();
        trail.write_all(records.filter_map(|record| record.audit.as_deref()));
        progress.told = end;
    }
    let start = from(batch, progress.stored);
    let mut lines = Vec::with_capacity(512 * (batch.records.len() - start));
    for (place, record) in batch.records.iter().enumerate().skip(start) {
        Stored::new(&batch.source, batch.first + place as u64, record).push(&mut lines);
    }
    let written = match lines.is_empty() {
        true => Ok(()),
        false => store.append(&lines),
    };
    let mut state = lock(state);
    state.not_shown = logging.lost();
    state.rotated = store.rotated();
    state.audit.clone_from(trail.figures());
    match written {
        Ok(()) => {
            progress.stored = progress.stored.max(end);
            let new = batch.records.len() - start;
            state.figures.written(batch, new, lines.len());
            Ok(())
        }
        Err(e) => {
            state.figures.failed();
            Err(format!("records can't be written: {e}"))
        }
    }
}

/// The place in the batch of the record of that number, or of the first one after it.
fn from(batch: &Batch, number: u64) -> usize {
    let before = number.saturating_sub(batch.first);
    usize::try_from(before).map_or(batch.records.len(), |all| all.min(batch.records.len()))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Counts are whole at any time.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
