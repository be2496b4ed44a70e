//! Has one guest's output written, and decides what happens when it can't be.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use virt_rpc::protocol::log::LogFilePosition;

use crate::log_file::LogFile;
use crate::marks::{Marks, Pace};
use crate::owner::Owner;
use crate::pipes::Pipes;
use crate::pump::{Pumped, Tally, pump};
use crate::source::Text;

/// How long a guest whose pipe is full is kept waiting for a file that can't be written. Then its
/// output is thrown away until the file can be written again.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts to write such a file.
pub const AGAIN: Duration = Duration::from_secs(1);

/// The way from one guest's pipes to its file.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    pipes: Arc<Pipes>,
    /// Only one thread has it at a time, and this task waits for that.
    file: Arc<Mutex<LogFile>>,
    tally: Arc<Tally>,
    lane: Arc<Semaphore>,
    trouble: Option<Trouble>,
    marks: Marks,
    owner: Owner,
    pace: Pace,
    begun: Instant,
}

/// Why the file is not written.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    why: String,
}

impl Writer {
    /// Into this file, whose path is told of in the log; threads take turns by `lane`.
    pub fn new(
        path: PathBuf,
        pipes: Arc<Pipes>,
        file: LogFile,
        tally: Arc<Tally>,
        lane: Arc<Semaphore>,
        (marks, owner): (Marks, Owner),
    ) -> Self {
        Self {
            path,
            pipes,
            file: Arc::new(Mutex::new(file)),
            tally,
            lane,
            trouble: None,
            marks,
            owner,
            pace: Pace::default(),
            begun: Instant::now(),
        }
    }

    /// Whether the file could not be written the last time.
    pub fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// Bytes that reached the file so far.
    pub fn written(&self) -> u64 {
        self.tally.written()
    }

    /// Where the next byte goes. No thread is writing.
    pub fn position(&self) -> LogFilePosition {
        lock(&self.file).position()
    }

    /// Writes what the guest has written, for one turn, which is more than its pipe holds.
    pub async fn pump(&mut self) -> Pumped {
        let (pipes, tally) = (Arc::clone(&self.pipes), Arc::clone(&self.tally));
        let before = tally.written();
        match self
            .on_a_thread(move |file| pump(&pipes, file, &tally))
            .await
        {
            Ok(pumped) => {
                self.mark(self.written() - before);
                if self.trouble.take().is_some() {
                    tracing::warn!("the log {:?} is written again", self.path);
                }
                pumped
            }
            Err(e) => self.stuck(&e),
        }
    }

    /// Notes when so many bytes were written, now and then.
    fn mark(&mut self, written: u64) {
        if written == 0 || !self.pace.is_due(self.begun.elapsed()) {
            return;
        }
        let mut from = self.position();
        // In a file that was begun meanwhile all of it is new.
        from.offset = from.offset.saturating_sub(written);
        self.marks.note(&self.path, &self.owner, &from);
    }

    /// Appends a text.
    ///
    /// # Errors
    /// What the system refused.
    pub async fn append(&self, text: Arc<[u8]>) -> io::Result<()> {
        self.on_a_thread(move |file| file.append(&mut Text::new(&text)).map(drop))
            .await
    }

    /// Ends the log if nobody can write to it any more, whatever has not reached the file.
    pub fn end_if_left(&self) -> Pumped {
        if !self.pipes.is_left() {
            return Pumped::Empty;
        }
        self.give_up();
        let lost = self.tally.lost();
        tracing::error!(
            "the end of the log {:?} is lost, {lost} bytes and more",
            self.path
        );
        Pumped::Ended
    }

    async fn on_a_thread<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut LogFile) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let (file, lane) = (Arc::clone(&self.file), Arc::clone(&self.lane));
        let turn = async move {
            // It is never closed.
            let turn = lane.acquire_owned().await;
            let done = spawn_blocking(move || {
                let _turn = turn;
                work(&mut lock(&file))
            });
            done.await.unwrap_or_else(|e| Err(io::Error::other(e)))
        };
        tokio::pin!(turn);
        let (mut seen, mut since) = (self.tally.written(), Instant::now());
        loop {
            tokio::select! {
                done = &mut turn => return done,
                () = sleep(AGAIN) => {
                    let now = self.tally.written();
                    if now != seen {
                        (seen, since) = (now, Instant::now());
                    } else if since.elapsed() >= PATIENCE {
                        self.give_up();
                    }
                }
            }
        }
    }

    fn stuck(&mut self, error: &io::Error) -> Pumped {
        let why = error.to_string();
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            since: Instant::now(),
            why: String::new(),
        });
        if trouble.why != why {
            tracing::error!("the log {:?} can't be written: {why}", self.path);
            trouble.why = why;
        }
        match trouble.since.elapsed() >= PATIENCE {
            true => {
                self.give_up();
                self.end_if_left()
            }
            false => Pumped::Empty,
        }
    }

    /// Lets the guest go on without its output being kept.
    fn give_up(&self) {
        match self.pipes.discard() {
            Ok(0) => {}
            Ok(bytes) => {
                if self.tally.lost() == 0 {
                    let seconds = PATIENCE.as_secs();
                    tracing::warn!(
                        "the log {:?} could not be written for {seconds} s: output is thrown away, so that its guest can go on",
                        self.path
                    );
                }
                self.tally.lose(bytes);
            }
            Err(e) => tracing::error!("the guest of the log {:?} may hang: {e}", self.path),
        }
    }
}

fn lock(file: &Mutex<LogFile>) -> MutexGuard<'_, LogFile> {
    // What a panic left is looked at anew before the next byte.
    file.lock().unwrap_or_else(PoisonError::into_inner)
}
