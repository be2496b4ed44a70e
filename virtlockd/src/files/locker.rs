//! A process that waits for file systems in the daemon's place: it is told one thing at a time on its
//! standard input, a socket, and ends with the other end of it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use virt_rpc::codec;

use super::job::{Job, Outcome};

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
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files: Vec<_> = file.into_iter().collect();
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no room for the descriptor"));
    }
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, flags)?;
    Ok(())
}

/// Receives one message: its size and its descriptor. No bytes are the end.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut control,
        flags | RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut file = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut received) = message {
            file = received.next();
        }
    }
    Ok((message.bytes, file))
}
