//! A panic ends the call it happened in, and nothing else.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::protocol::Row;

/// A future whose panic is its result.
pub(super) struct Guarded<F>(Pin<Box<F>>);

impl<F: Future> Guarded<F> {
    pub(super) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = std::thread::Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut();
        match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Runs a handler; a panic becomes the error of this call.
pub(super) fn guarded<T>(row: &Row, run: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(error(row.name, &*panic)))
}

/// The error of something that panicked; what it said goes to the log.
pub(super) fn error(what: &str, panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!("{what} panicked: {said}");
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Rpc,
        format!("{what} failed because of a defect in the daemon; its log says where"),
    )
}
