//! A connected socket: bytes and descriptors in both directions, without waiting.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, send, sendmsg,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Next, Outbox};

/// Bytes taken from a socket at once.
const RECEIVE_SIZE: usize = 64 * 1024;
/// Descriptors taken at once; more than anyone sends (WIRE.md section 10: one with each byte).
const DESCRIPTORS_AT_ONCE: usize = 32;

thread_local! {
    static RECEIVE_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the thread's buffer for receiving: no connection needs one of its own.
pub(crate) fn with_receive_buffer<T>(receive: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = RECEIVE_BUFFER.take();
    buffer.resize(RECEIVE_SIZE, 0);
    let result = receive(&mut buffer);
    RECEIVE_BUFFER.set(buffer);
    result
}

/// What came of receiving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// That many bytes.
    Bytes(usize),
    /// Nothing is there yet.
    Nothing,
    /// The other end has closed.
    End,
}

/// A connected UNIX socket.
///
/// It is watched for what arrives, and for room only while sending waits for some: a socket that
/// is watched for both wakes its owner a second time for each message, when the other end has
/// read it.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: AsyncFd<Arc<UnixStream>>,
    /// Sending had to stop: it goes on when the socket can be written to. A duplicate, as the
    /// kernel takes one watch for each descriptor.
    blocked: Option<AsyncFd<OwnedFd>>,
}

impl Socket {
    /// # Errors
    /// When the runtime can't watch one more descriptor.
    pub(crate) fn new(stream: Arc<UnixStream>) -> io::Result<Self> {
        Ok(Self {
            stream: watch(stream, Interest::READABLE)?,
            blocked: None,
        })
    }

    /// The socket alone, no longer watched.
    pub(crate) fn into_inner(self) -> Arc<UnixStream> {
        self.stream.into_inner()
    }

    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(context).map_ok(drop)
    }

    pub(crate) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.blocked {
            Some(watched) => watched.poll_write_ready(context).map_ok(drop),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Whether sending waits for the socket.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Receives what is there, with its descriptors, which are closed on exec.
    ///
    /// The kernel never puts bytes behind a descriptor into the same receive, so reading ahead
    /// loses none, and they come in order.
    pub(crate) fn receive(
        &self,
        buffer: &mut [u8],
        descriptors: &mut VecDeque<OwnedFd>,
    ) -> io::Result<Received> {
        let mut drained = None;
        let size = buffer.len();
        let received = self.stream.try_io(Interest::READABLE, |stream| {
            let (count, with_descriptors) = receive_once(stream, buffer, descriptors)?;
            if count > 0 && count < size && !with_descriptors {
                // Nothing is left: saying so saves the receive that would find that out.
                drained = Some(count);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(count)
        });
        match received {
            Ok(0) => Ok(Received::End),
            Ok(count) => Ok(Received::Bytes(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Ok(drained.map_or(Received::Nothing, Received::Bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(Received::End),
            Err(error) => Err(error),
        }
    }

    /// Sends as much as the socket takes.
    pub(crate) fn send(&mut self, outbox: &mut Outbox) -> io::Result<()> {
        loop {
            let sent = match outbox.next() {
                Next::Nothing => {
                    self.blocked = None;
                    return Ok(());
                }
                Next::Bytes(bytes) => self
                    .attempt(|stream| Ok(send(stream, bytes, SEND_FLAGS)?))
                    .map(|count| count.map(|count| (count, false))),
                Next::Descriptor(descriptor) => self
                    .attempt(|stream| send_descriptor(stream, descriptor))
                    .map(|done| done.map(|()| (0, true))),
            };
            match sent? {
                Some((_, true)) => outbox.descriptor_sent(),
                Some((count, false)) => outbox.sent(count),
                None => {
                    if self.blocked.is_none() {
                        let duplicate = self.stream.get_ref().as_fd().try_clone_to_owned()?;
                        self.blocked = Some(watch(duplicate, Interest::WRITABLE)?);
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Tries at once; only a socket that was found full is asked whether it has room.
    fn attempt<T>(&self, send: impl FnOnce(&UnixStream) -> io::Result<T>) -> io::Result<Option<T>> {
        let stream = self.stream.get_ref();
        let sent = match &self.blocked {
            Some(watched) => watched.try_io(Interest::WRITABLE, |_| send(stream)),
            None => send(stream),
        };
        match sent {
            Ok(sent) => Ok(Some(sent)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the other end has closed, found out without reading.
    pub(crate) fn has_hung_up(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let closed = PollFlags::HUP | PollFlags::ERR | PollFlags::RDHUP;
        let mut fds = [PollFd::new(self.stream.get_ref(), PollFlags::RDHUP)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
            && fds.iter().any(|fd| fd.revents().intersects(closed))
    }
}

#[allow(
    unsafe_code,
    reason = "tokio asks its caller to promise that the descriptor stays the same"
)]
fn watch<T: AsRawFd>(descriptor: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: the callers' types, a shared socket and an owned descriptor, are one descriptor
    // from their making to their drop; they move into the AsyncFd here, which gives out only
    // shared references to them.
    unsafe { AsyncFd::register_with_interest(descriptor, interest) }.map_err(Into::into)
}

const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

fn receive_once(
    socket: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut VecDeque<OwnedFd>,
) -> io::Result<(usize, bool)> {
    let mut space =
        [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut control,
        RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
    )?;
    let before = descriptors.len();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok((message.bytes, descriptors.len() > before))
}

fn send_descriptor(socket: &UnixStream, descriptor: &OwnedFd) -> io::Result<()> {
    let mut space = [MaybeUninit::<u8>::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for one descriptor"));
    }
    sendmsg(socket, &[IoSlice::new(&[0])], &mut control, SEND_FLAGS)?;
    Ok(())
}
