//! The end of a guest's run: why it comes, whose call wanted it, and that it is over.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tracing::Span;

use crate::Shutoff;

/// The end of one run, which nobody wants yet.
#[derive(Debug)]
pub struct Ending {
    wanted: Mutex<Option<Wanted>>,
    gone: watch::Sender<bool>,
}

#[derive(Debug)]
struct Wanted {
    reason: Shutoff,
    /// Of whoever said so: what is told of the end is told of that call.
    call: Span,
}

impl Default for Ending {
    fn default() -> Self {
        Self {
            wanted: Mutex::new(None),
            gone: watch::Sender::new(false),
        }
    }
}

impl Ending {
    /// Says why the run is about to end; why it will have ended. The first reason stays.
    pub fn intend(&self, reason: Shutoff) -> Shutoff {
        let new = || Wanted {
            reason,
            call: Span::current(),
        };
        self.wanted().get_or_insert_with(new).reason
    }

    /// Why the run is about to end, if anybody said so.
    pub fn intended(&self) -> Option<Shutoff> {
        self.wanted().as_ref().map(|wanted| wanted.reason)
    }

    /// The call that ends it, if anybody said so.
    pub fn by(&self) -> Option<Span> {
        self.wanted().as_ref().map(|wanted| wanted.call.clone())
    }

    /// It did not end after all.
    pub fn forgive(&self) {
        *self.wanted() = None;
    }

    /// Becomes true when the run is over and everything of it was cleaned up.
    pub fn gone(&self) -> watch::Receiver<bool> {
        self.gone.subscribe()
    }

    /// It is over and everything was cleaned up.
    pub fn tell_gone(&self) {
        self.gone.send_replace(true);
    }

    fn wanted(&self) -> MutexGuard<'_, Option<Wanted>> {
        // One value: it is whole at any time.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
