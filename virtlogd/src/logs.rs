//! All logs that are being written, by their paths.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::log::LogFilePosition;
use virt_rpc::protocol::records::PipesFigures;

use crate::flow::{Ask, Flow};
use crate::kept;
use crate::lanes::Lanes;
use crate::limits::Limits;
use crate::log_file::LogFile;
use crate::marks::Marks;
use crate::owner::Owner;
use crate::pipes::Pipes;
use crate::pump::Tally;
use crate::reading;
use crate::source::Text;
use crate::totals::TOTALS;
use crate::writer::Writer;

/// What is known of all of them.
#[derive(Debug)]
pub struct Logs {
    limits: Limits,
    lanes: Arc<Lanes>,
    marks: Marks,
    open: Mutex<HashMap<PathBuf, Entry>>,
}

#[derive(Debug)]
enum Entry {
    /// Someone is about to open it.
    Opening,
    Open(Open),
}

/// A log that is being written.
#[derive(Debug)]
pub struct Open {
    /// Whose it is.
    pub owner: Owner,
    /// Its pipes.
    pub pipes: Arc<Pipes>,
    /// What became of the bytes.
    pub tally: Arc<Tally>,
    asks: mpsc::UnboundedSender<Ask>,
}

impl Logs {
    /// None yet. Must be called in a runtime.
    pub fn new(limits: Limits) -> Self {
        Self {
            marks: Marks::new(&limits.root),
            limits,
            lanes: Arc::default(),
            open: Mutex::default(),
        }
    }

    /// What the configuration says.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Whether the log at that path is being written.
    pub fn has(&self, path: &Path) -> bool {
        self.lock().contains_key(path)
    }

    /// How many there are, and what became of all output.
    pub fn figures(&self) -> PipesFigures {
        let (moved, rotated, dropped) = TOTALS.now();
        PipesFigures {
            open: self.lock().len() as u64,
            moved,
            rotated,
            dropped,
        }
    }

    /// Shows each that is being written.
    pub fn each(&self, mut show: impl FnMut(&Path, &Open)) {
        for (path, entry) in &*self.lock() {
            if let Entry::Open(open) = entry {
                show(path, open);
            }
        }
    }

    /// Begins to write a log: the place of its first byte, and the end of the pipe that is written to.
    ///
    /// # Errors
    /// It is being written already, or what the system refused.
    pub async fn open(
        self: &Arc<Self>,
        path: &str,
        owner: Owner,
        truncate: bool,
    ) -> Result<(LogFilePosition, OwnedFd)> {
        let path = plain(path)?;
        self.end_left(&path).await;
        self.reserve(&path)?;
        let opened = self.begin(&path, owner, truncate).await;
        if opened.is_err() {
            self.lock().remove(&path);
        }
        opened.map_err(|e| refused(format_args!("Unable to open file: {}", path.display()), &e))
    }

    async fn begin(
        self: &Arc<Self>,
        path: &Path,
        owner: Owner,
        truncate: bool,
    ) -> io::Result<(LogFilePosition, OwnedFd)> {
        let file = self.file(path, truncate).await?;
        let position = file.position();
        let (pipes, write) = Pipes::new()?;
        kept::keep(path, &owner, &pipes)?;
        self.marks.note(path, &owner, &position);
        self.go_on(path, owner, pipes, file, 0)?;
        Ok((position, write))
    }

    /// Goes on with the pipes that a program before has left.
    ///
    /// # Errors
    /// What the system refused.
    pub fn again(
        self: &Arc<Self>,
        path: &Path,
        owner: Owner,
        pipes: Pipes,
        lost: u64,
    ) -> io::Result<()> {
        let file = LogFile::later(path, &self.limits);
        self.go_on(path, owner, pipes, file, lost)
    }

    fn go_on(
        self: &Arc<Self>,
        path: &Path,
        owner: Owner,
        pipes: Pipes,
        file: LogFile,
        lost: u64,
    ) -> io::Result<()> {
        let (asks, asked) = mpsc::unbounded_channel();
        let (pipes, tally) = (Arc::new(pipes), Arc::new(Tally::new(lost)));
        let lane = self.lanes.of(path);
        let writer = Writer::new(
            path.to_owned(),
            Arc::clone(&pipes),
            file,
            Arc::clone(&tally),
            lane,
            (self.marks.clone(), owner.clone()),
        );
        let mut flow = Flow::new(Arc::clone(&pipes), writer, asked)?;
        let open = Open {
            owner,
            pipes,
            tally,
            asks,
        };
        let name = kept::name(&open.pipes);
        self.lock().insert(path.to_owned(), Entry::Open(open));
        let (all, path) = (Arc::clone(self), path.to_owned());
        tokio::spawn(async move {
            flow.run().await;
            // Forgotten before those who still ask learn that it ended.
            all.lock().remove(&path);
            drop(flow);
            kept::forget(name.as_deref());
        });
        Ok(())
    }

    /// Where the next byte of a log that is being written goes.
    ///
    /// # Errors
    /// It is not being written.
    pub async fn position(&self, path: &str) -> Result<LogFilePosition> {
        let path = plain(path)?;
        match self.ask(&path, Ask::Position).await {
            Some(position) => Ok(position),
            None => Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Rpc,
                format!("No open log file {}", path.display()),
            )),
        }
    }

    /// Appends a text to a log, whether it is being written or not.
    ///
    /// # Errors
    /// What the system refused.
    pub async fn append(&self, path: &str, text: Vec<u8>) -> Result<()> {
        let path = plain(path)?;
        let text: Arc<[u8]> = text.into();
        let asked = self.ask(&path, |reply| Ask::Append(Arc::clone(&text), reply));
        let appended = match asked.await {
            Some(appended) => appended,
            None => self.append_closed(&path, text).await,
        };
        appended.map_err(|e| refused(format_args!("Unable to write to {}", path.display()), &e))
    }

    async fn append_closed(&self, path: &Path, text: Arc<[u8]>) -> io::Result<()> {
        let mut file = self.file(path, false).await?;
        blocking(move || file.append(&mut Text::new(&text)).map(drop)).await
    }

    /// At most `length` bytes of a log and its backups from a position on, up to the first NUL.
    ///
    /// # Errors
    /// There is no such file, or what the system refused.
    pub async fn read(&self, path: &str, from: LogFilePosition, length: u64) -> Result<Vec<u8>> {
        let path = plain(path)?;
        let (place, backups) = (path.clone(), self.limits.backups);
        blocking(move || reading::read(&place, backups, &from, length))
            .await
            .map_err(|e| refused(format_args!("Unable to read {}", path.display()), &e))
    }

    async fn file(&self, path: &Path, truncate: bool) -> io::Result<LogFile> {
        let (path, limits) = (path.to_owned(), self.limits.clone());
        blocking(move || LogFile::open(&path, &limits, truncate)).await
    }

    /// Waits for the end of a log that nobody can write to any more.
    async fn end_left(&self, path: &Path) {
        let _used = self.ask(path, Ask::Used).await;
    }

    fn reserve(&self, path: &Path) -> Result<()> {
        let mut open = self.lock();
        if open.contains_key(path) {
            let busy = io::Error::from_raw_os_error(nix::libc::EBUSY);
            return Err(refused(
                format_args!("Cannot open log file: '{}'", path.display()),
                &busy,
            ));
        }
        open.insert(path.to_owned(), Entry::Opening);
        Ok(())
    }

    /// Asks the task of a log; nothing when there is none, or it ended instead.
    async fn ask<R>(&self, path: &Path, ask: impl FnOnce(oneshot::Sender<R>) -> Ask) -> Option<R> {
        let (reply, answer) = oneshot::channel();
        match self.lock().get(path) {
            Some(Entry::Open(open)) => open.asks.send(ask(reply)).ok()?,
            Some(Entry::Opening) | None => return None,
        }
        answer.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Entry>> {
        // Insertions and removals leave it whole at any time.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> io::Result<R> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(io::Error::other(e)))
}

/// The path, with each of its names once: two spellings of one file would be two logs.
fn plain(path: &str) -> Result<PathBuf> {
    let path = Path::new(path);
    let up = path.components().any(|part| part == Component::ParentDir);
    if !path.is_absolute() || up || path.file_name().is_none() {
        return Err(Error::new(
            ErrorCode::InvalidArg,
            ErrorDomain::Rpc,
            format!("log file {path:?}: a path from the root on without '..' is wanted"),
        ));
    }
    Ok(path.components().collect())
}

fn refused(what: std::fmt::Arguments<'_>, cause: &io::Error) -> Error {
    Error::system(ErrorDomain::Rpc, what, cause)
}
