//! Calls that are served anew once something is known that their handler had to ask for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// How often one call's handler is run: the first time, and when what it asked for is there.
pub const ROUNDS_MAX: usize = 8;

/// What must be done before a call can be served.
pub(super) struct First(Pin<Box<dyn Future<Output = ()> + Send>>);

impl First {
    pub(super) fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(work))
    }
}

impl fmt::Debug for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("First")
    }
}

/// The rounds of one call after the first.
#[derive(Debug)]
pub(super) struct Rounds {
    first: Option<First>,
    left: usize,
}

impl Rounds {
    pub(super) fn new(first: First) -> Self {
        Self {
            first: Some(first),
            left: ROUNDS_MAX - 1,
        }
    }

    /// Does what is to be done before the next round.
    pub(super) async fn prepare(&mut self) {
        if let Some(First(work)) = self.first.take() {
            work.await;
        }
        self.left = self.left.saturating_sub(1);
    }

    /// Whether there is a round after the one that wants `first`.
    pub(super) fn another(&mut self, first: Option<First>) -> bool {
        self.first = first.filter(|_| self.left > 0);
        self.first.is_some()
    }
}
