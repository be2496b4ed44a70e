//! The queue of a guest's changes and the task that runs them.
//!
//! The task begins with the first job and ends when the guest is shut off and nobody waits.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::Guest;

/// How long a job may wait for its turn, as with the stock daemon.
const PATIENCE: Duration = Duration::from_secs(30);

/// Jobs that may wait for their turn, per guest.
const MAX_WAITING: usize = 1024;

/// What only a guest's actor may touch, and how it listens to what runs the guest.
pub trait Body: Sized + Send + 'static {
    /// The guest's entry.
    type Guest: HasActor<Self>;
    /// What the guest's process has to tell.
    type News: Send;

    /// That of a guest that does not run.
    fn of(guest: Arc<Self::Guest>) -> Self;
    /// Whether there is nothing to wait for.
    fn is_at_rest(&self) -> bool;
    /// Waits for news; for ever when nothing runs.
    fn news(&mut self) -> impl Future<Output = Self::News> + Send;
    /// Acts upon them.
    fn hear(&mut self, news: Self::News) -> impl Future<Output = ()> + Send;
    /// Brings what is kept of the guest up to date, after each job and all news.
    fn settle(&mut self) -> impl Future<Output = ()> + Send;
}

/// A guest whose changes are jobs of an actor.
pub trait HasActor<B>: Guest {
    /// The domain of the actor's own errors.
    const DOMAIN: ErrorDomain;

    /// Where its jobs are put.
    fn mailbox(&self) -> &Mailbox<B>;
}

/// A future in a box.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a job does: `|body| Box::pin(async move { … })`.
pub trait Work<'a, B: 'a, T>: FnOnce(&'a mut B) -> Boxed<'a, Result<T>> {}

impl<'a, B: 'a, T, F: FnOnce(&'a mut B) -> Boxed<'a, Result<T>>> Work<'a, B, T> for F {}

type Job<B> = Box<dyn for<'a> FnOnce(&'a mut B) -> Boxed<'a, ()> + Send>;

struct Letter<B> {
    name: &'static str,
    /// Told when the job's turn has come. Who waited too long is not there any more.
    begun: oneshot::Sender<()>,
    job: Job<B>,
}

/// Where a guest's jobs are put.
#[derive(Debug)]
pub struct Mailbox<B>(Mutex<Option<Open<B>>>);

impl<B> Default for Mailbox<B> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<B> Mailbox<B> {
    /// Whether no actor lives.
    pub fn is_closed(&self) -> bool {
        lock(&self.0).is_none()
    }
}

/// There is one while the actor lives.
#[derive(Debug)]
struct Open<B> {
    letters: mpsc::Sender<Letter<B>>,
    /// What the actor does now.
    doing: Arc<Mutex<&'static str>>,
}

impl<B> std::fmt::Debug for Letter<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these protect is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the guest's actor run a job and gives its result. A job that began is run to its end even
/// when nobody waits for it any more; one that did not begin is dropped then.
///
/// # Errors
/// OPERATION_TIMEOUT when other changes take too long, RESOURCE_BUSY when too many wait, else the
/// change's own.
pub async fn submit<B: Body, T: Send + 'static>(
    guest: &Arc<B::Guest>,
    name: &'static str,
    work: impl for<'a> Work<'a, B, T> + Send + 'static,
) -> Result<T> {
    let (reply, outcome) = oneshot::channel();
    // What the actor tells meanwhile is of the call that wanted it.
    let span = Span::current();
    let job: Job<B> = Box::new(move |body| {
        let run = async move {
            let result = work(&mut *body).await;
            body.settle().await;
            // Nobody may wait for it any more.
            let _ = reply.send(result);
        };
        Box::pin(run.instrument(span))
    });
    let (begun, turn) = oneshot::channel();
    let letter = Letter { name, begun, job };
    let doing = post(guest, letter)?;
    match tokio::time::timeout(PATIENCE, turn).await {
        Ok(_) => outcome.await.unwrap_or_else(|_| Err(panicked::<B>(name))),
        Err(_) => Err(Error::new(
            ErrorCode::OperationTimeout,
            B::Guest::DOMAIN,
            format!(
                "cannot acquire state change lock (held by {})",
                lock(&doing)
            ),
        )),
    }
}

fn panicked<B: Body>(job: &str) -> Error {
    Error::new(
        ErrorCode::InternalError,
        B::Guest::DOMAIN,
        format!("'{job}' ended by a fault of the daemon's own; see its log"),
    )
}

/// Puts a letter into the mailbox and sees to it that somebody reads it.
fn post<B: Body>(guest: &Arc<B::Guest>, letter: Letter<B>) -> Result<Arc<Mutex<&'static str>>> {
    let mut mailbox = lock(&guest.mailbox().0);
    let open = mailbox.get_or_insert_with(|| open(guest, B::of(Arc::clone(guest))));
    open.letters.try_send(letter).map_err(|_| {
        Error::new(
            ErrorCode::ResourceBusy,
            B::Guest::DOMAIN,
            format!("too many changes of guest '{}' are waiting", guest.name()),
        )
    })?;
    Ok(Arc::clone(&open.doing))
}

fn open<B: Body>(guest: &Arc<B::Guest>, body: B) -> Open<B> {
    let (letters, queue) = mpsc::channel(MAX_WAITING);
    let doing = Arc::new(Mutex::new("nothing"));
    tokio::spawn(attend(Arc::clone(guest), body, queue, Arc::clone(&doing)));
    Open { letters, doing }
}

/// Starts the actor of a guest that was found running; it has none yet.
pub fn adopt<B: Body>(guest: &Arc<B::Guest>, body: B) {
    let mut mailbox = lock(&guest.mailbox().0);
    debug_assert!(mailbox.is_none());
    *mailbox = Some(open(guest, body));
}

async fn attend<B: Body>(
    guest: Arc<B::Guest>,
    mut body: B,
    mut queue: mpsc::Receiver<Letter<B>>,
    doing: Arc<Mutex<&'static str>>,
) {
    loop {
        if body.is_at_rest() {
            let mut mailbox = lock(&guest.mailbox().0);
            // Letters are posted under the same lock, so none is lost.
            if queue.is_empty() {
                *mailbox = None;
                return;
            }
        }
        tokio::select! {
            biased;
            news = body.news() => {
                *lock(&doing) = "monitor event";
                Guarded(Box::pin(async {
                    body.hear(news).await;
                    body.settle().await;
                }))
                .await;
            }
            // The mailbox holds a sender while we live.
            Some(letter) = queue.recv() => {
                *lock(&doing) = letter.name;
                if letter.begun.send(()).is_ok() {
                    Guarded((letter.job)(&mut body)).await;
                }
            }
        }
    }
}

/// A future whose panic ends only itself.
struct Guarded<'a>(Boxed<'a, ()>);

impl Future for Guarded<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let poll = AssertUnwindSafe(|| self.0.as_mut().poll(context));
        // The panic itself was told by the hook; the body's parts are replaced whole, so what a
        // broken-off job leaves is what was there between two of its steps.
        std::panic::catch_unwind(poll).unwrap_or(Poll::Ready(()))
    }
}
