//! Work that blocks, done off the daemon's one thread.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Runs something that blocks off the daemon's thread.
///
/// # Errors
/// Its own; INTERNAL_ERROR when it panicked.
pub async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::None,
            "a task of the daemon's own failed; its log says where",
        ))
    })
}

/// The same for what has nothing to tell, such as cleaning up. A panic in it is in the log.
pub async fn done_off_thread(work: impl FnOnce() + Send + 'static) {
    let _ = tokio::task::spawn_blocking(work).await;
}
