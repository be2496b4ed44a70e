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

use super::body::Body;
use super::entry::Guest;

/// How long a job may wait for its turn, as with the stock daemon.
const PATIENCE: Duration = Duration::from_secs(30);

/// Jobs that may wait for their turn, per guest.
const MAX_WAITING: usize = 1024;

/// A future in a box.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a job does: `|body| Box::pin(async move { … })`.
pub trait Work<'a, T>: FnOnce(&'a mut Body) -> Boxed<'a, Result<T>> {}

impl<'a, T, F: FnOnce(&'a mut Body) -> Boxed<'a, Result<T>>> Work<'a, T> for F {}

type Job = Box<dyn for<'a> FnOnce(&'a mut Body) -> Boxed<'a, ()> + Send>;

struct Letter {
    name: &'static str,
    /// Told when the job's turn has come. Who waited too long is not there any more.
    begun: oneshot::Sender<()>,
    job: Job,
}

/// Where jobs are put; there is one while the actor lives.
#[derive(Debug)]
pub(super) struct Mailbox {
    letters: mpsc::Sender<Letter>,
    /// What the actor does now.
    doing: Arc<Mutex<&'static str>>,
}

impl std::fmt::Debug for Letter {
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
pub(super) async fn submit<T: Send + 'static>(
    guest: &Arc<Guest>,
    name: &'static str,
    work: impl for<'a> Work<'a, T> + Send + 'static,
) -> Result<T> {
    let (reply, outcome) = oneshot::channel();
    // What the actor tells meanwhile is of the call that wanted it.
    let span = Span::current();
    let job: Job = Box::new(move |body| {
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
        Ok(_) => outcome.await.unwrap_or_else(|_| Err(panicked(name))),
        Err(_) => Err(Error::new(
            ErrorCode::OperationTimeout,
            ErrorDomain::Qemu,
            format!(
                "cannot acquire state change lock (held by {})",
                lock(&doing)
            ),
        )),
    }
}

fn panicked(job: &str) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Qemu,
        format!("'{job}' ended by a fault of the daemon's own; see its log"),
    )
}

/// Puts a letter into the mailbox and sees to it that somebody reads it.
fn post(guest: &Arc<Guest>, letter: Letter) -> Result<Arc<Mutex<&'static str>>> {
    let mut mailbox = lock(&guest.mailbox);
    let open = mailbox.get_or_insert_with(|| open(guest, Body::of(Arc::clone(guest))));
    open.letters.try_send(letter).map_err(|_| {
        Error::new(
            ErrorCode::ResourceBusy,
            ErrorDomain::Qemu,
            format!(
                "too many changes of guest '{}' are waiting",
                guest.snapshot().name
            ),
        )
    })?;
    Ok(Arc::clone(&open.doing))
}

fn open(guest: &Arc<Guest>, body: Body) -> Mailbox {
    let (letters, queue) = mpsc::channel(MAX_WAITING);
    let doing = Arc::new(Mutex::new("nothing"));
    tokio::spawn(attend(Arc::clone(guest), body, queue, Arc::clone(&doing)));
    Mailbox { letters, doing }
}

/// Starts the actor of a guest that was found running; it has none yet.
pub(super) fn adopt(guest: &Arc<Guest>, body: Body) {
    let mut mailbox = lock(&guest.mailbox);
    debug_assert!(mailbox.is_none());
    *mailbox = Some(open(guest, body));
}

async fn attend(
    guest: Arc<Guest>,
    mut body: Body,
    mut queue: mpsc::Receiver<Letter>,
    doing: Arc<Mutex<&'static str>>,
) {
    loop {
        if body.is_at_rest() {
            let mut mailbox = lock(&guest.mailbox);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> (tempfile::TempDir, Arc<Guest>) {
        let root = tempfile::tempdir().unwrap();
        let guest = crate::guest::tests::guest(&crate::guest::tests::driver(root.path()), "a");
        (root, guest)
    }

    #[tokio::test]
    async fn jobs_run_one_after_the_other_and_the_actor_leaves() {
        let (_root, guest) = guest();
        let first = guest.run("first", |body| {
            Box::pin(async move {
                tokio::task::yield_now().await;
                body.change(|s| s.id = Some(1));
                Ok(())
            })
        });
        let second = guest.run("second", |body| {
            Box::pin(async move {
                body.change(|s| s.id = s.id.map(|id| id + 1));
                Ok(7)
            })
        });
        let (first, second) = tokio::join!(first, second);
        assert_eq!((first, second), (Ok(()), Ok(7)));
        assert_eq!(guest.snapshot().id, Some(2));
        tokio::task::yield_now().await;
        assert!(lock(&guest.mailbox).is_none());
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_job_only() {
        let (_root, guest) = guest();
        let error = guest
            .run::<()>("bad", |_| Box::pin(async { panic!("on purpose") }))
            .await
            .unwrap_err();
        assert!(error.message().contains("'bad'"), "{error}");
        assert_eq!(
            guest.run("good", |_| Box::pin(async { Ok(1) })).await,
            Ok(1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_for_what() {
        let (_root, guest) = guest();
        let long = Arc::clone(&guest);
        tokio::spawn(async move {
            long.run("slow", |_| {
                Box::pin(async {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    Ok(())
                })
            })
            .await
        });
        tokio::task::yield_now().await;
        let error = guest
            .run("next", |_| Box::pin(async { Ok(()) }))
            .await
            .unwrap_err();
        assert_eq!(
            error.message(),
            "Timed out during operation: cannot acquire state change lock (held by slow)"
        );
    }
}
