//! Waiting for a descriptor to become readable or writable.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime watch a descriptor, which has to be non-blocking.
///
/// # Errors
/// When the runtime can't watch one more descriptor, or not one of this kind.
#[allow(
    unsafe_code,
    reason = "tokio asks its caller to promise that the descriptor stays the same"
)]
pub fn watch<T: AsRawFd + Into<OwnedFd>>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: what can become an OwnedFd owns one descriptor from its making to its drop, and it
    // moves into the AsyncFd here, which gives out only shared references to it.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(Into::into)
}
