//! A process that waits for file systems in the daemon's place: it is told one thing at a time on its
//! standard input, a socket, and ends with the other end of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{RecvFlags, SendFlags};
use serde::Serialize;
use virt_rpc::codec;

use super::job::{Job, Outcome};
use crate::descriptors;

/// What the program is told to become one; not for people.
pub const ARGUMENT: &str = "--locker";
/// Longest message, in bytes: a path of the kernel's longest and what is said of it.
pub(super) const MESSAGE_MAX: usize = 16 * 1024;

/// Does what it is told until nobody tells it anything any more.
///
/// # Errors
/// The socket's, or a message that is none.
pub fn serve() -> io::Result<()> {
    let socket = io::stdin();
    let mut buffer = vec![0; MESSAGE_MAX];
    loop {
        let (size, file) = receive(socket.as_fd(), &mut buffer, RecvFlags::empty())?;
        if size == 0 {
            return Ok(());
        }
        let bytes = buffer.get(..size).unwrap_or_default();
        let job: Job = codec::from_bytes(bytes).map_err(io::Error::other)?;
        let result = job.run(file);
        let file = result.as_ref().ok().and_then(|file| file.as_ref());
        send(
            socket.as_fd(),
            &Outcome::of(&result),
            file.map(AsFd::as_fd),
            SendFlags::NOSIGNAL,
        )?;
    }
}

/// Sends one message, with a descriptor or without.
pub(super) fn send<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    file: Option<BorrowedFd<'_>>,
    flags: SendFlags,
) -> io::Result<()> {
    let bytes = codec::to_bytes(message).map_err(io::Error::other)?;
    let files: Vec<_> = file.into_iter().collect();
    descriptors::send(socket, &bytes, &files, flags)
}

/// Receives one message: its size and its descriptor. No bytes are the end.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> io::Result<(usize, Option<OwnedFd>)> {
    let (size, mut files) = descriptors::receive(socket, buffer, flags)?;
    Ok((size, files.pop()))
}
