//! The task of one connection: it writes what is queued and hands out what comes.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::net::UnixStream;
use virt_error::{Error, ErrorDomain, Result};

use super::connection::{Event, Link, rpc};
use super::stream::{Item, ROOM};
use crate::framing::{Frame, Header, MessageKind, Status, StreamHole};
use crate::link::{Received, Socket, with_receive_buffer};
use crate::protocol::wire_error::RemoteError;
use crate::protocol::{EventMessage, Program, keepalive};
use crate::server::RawReply;
use crate::xdr;

/// Bytes of a stream that wait for their receiver, above which nothing more is read.
const STREAM_BYTES_MAX: usize = 1024 * 1024;

pub(super) struct Task {
    socket: Socket,
    link: Arc<Link>,
    input: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

enum Wake {
    Readable,
    Flush,
    End,
}

impl Task {
    /// Serves the connection until it is over.
    pub(super) async fn run(stream: UnixStream, link: Arc<Link>) {
        let socket = stream
            .into_std()
            .and_then(|stream| Socket::new(Arc::new(stream)));
        let ended = match socket {
            Ok(socket) => {
                let mut task = Self {
                    socket,
                    link: Arc::clone(&link),
                    input: Vec::new(),
                    descriptors: VecDeque::new(),
                };
                task.turns().await
            }
            Err(error) => Err(broken(&error)),
        };
        let error = match ended {
            Ok(()) => rpc("the connection was closed"),
            Err(error) => error,
        };
        link.queue().end(error);
        link.notify();
    }

    async fn turns(&mut self) -> Result<()> {
        loop {
            self.flush().map_err(|error| broken(&error))?;
            let wake = poll_fn(|context| self.poll_next(context)).await;
            match wake.map_err(|error| broken(&error))? {
                Wake::End => return Ok(()),
                Wake::Flush => {}
                Wake::Readable => self.read()?,
            }
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Wake>> {
        let listening = {
            let mut queue = self.link.queue();
            let flushed = queue.outbox.is_empty();
            if queue.closing && flushed {
                return Poll::Ready(Ok(Wake::End));
            }
            if !flushed && !self.socket.is_blocked() {
                return Poll::Ready(Ok(Wake::Flush));
            }
            match &queue.waker {
                Some(waker) if waker.will_wake(context.waker()) => {}
                _ => queue.waker = Some(context.waker().clone()),
            }
            !queue
                .streams
                .iter()
                .any(|stream| stream.bytes >= STREAM_BYTES_MAX)
        };
        if listening && self.socket.poll_readable(context)?.is_ready() {
            return Poll::Ready(Ok(Wake::Readable));
        }
        if self.socket.is_blocked() && self.socket.poll_writable(context)?.is_ready() {
            return Poll::Ready(Ok(Wake::Flush));
        }
        Poll::Pending
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut queue = self.link.queue();
        if queue.outbox.is_empty() {
            return Ok(());
        }
        let before = queue.outbox.pending();
        self.socket.send(&mut queue.outbox)?;
        let room = before >= ROOM && queue.outbox.pending() < ROOM;
        drop(queue);
        if room {
            self.link.notify();
        }
        Ok(())
    }

    fn read(&mut self) -> Result<()> {
        with_receive_buffer(|buffer| {
            let received = self
                .socket
                .receive(buffer, &mut self.descriptors)
                .map_err(|error| broken(&error))?;
            let count = match received {
                Received::Nothing => return Ok(()),
                Received::End => return Err(rpc("the daemon closed the connection")),
                Received::Bytes(count) => count,
            };
            self.input
                .extend_from_slice(buffer.get(..count).unwrap_or_default());
            let input = std::mem::take(&mut self.input);
            let used = self.hand_out(&input)?;
            if used < input.len() {
                self.input = input;
                self.input.drain(..used);
            }
            self.link.notify();
            Ok(())
        })
    }

    fn hand_out(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let frame =
                Frame::cut(rest).map_err(|error| rpc(format!("the daemon sent a {error}")))?;
            let Some(frame) = frame else { return Ok(used) };
            if frame.nfds as usize > self.descriptors.len() {
                return Err(rpc("the daemon sent a message without its descriptors"));
            }
            let descriptors = self.descriptors.drain(..frame.nfds as usize).collect();
            self.message(&frame, descriptors)?;
            used += frame.size;
        }
    }

    fn message(&mut self, frame: &Frame<'_>, descriptors: Vec<OwnedFd>) -> Result<()> {
        let header = frame.header;
        match header.kind {
            MessageKind::Reply | MessageKind::ReplyWithFds => self.reply(frame, descriptors),
            MessageKind::Message if header.prog == Program::Keepalive.number() => {
                if header.proc == keepalive::Ping::ROW.number {
                    self.pong(header)?;
                }
                Ok(())
            }
            MessageKind::Message => self.event(frame),
            MessageKind::Stream | MessageKind::StreamHole => self.stream(frame),
            MessageKind::Call | MessageKind::CallWithFds => {
                Err(rpc("the daemon made a call of its own"))
            }
        }
    }

    fn reply(&mut self, frame: &Frame<'_>, descriptors: Vec<OwnedFd>) -> Result<()> {
        let reply = match frame.header.status {
            Status::Ok => Ok(RawReply {
                payload: Bytes::copy_from_slice(frame.payload),
                descriptors,
            }),
            _ => Err(error_of(frame.payload)),
        };
        match self.link.queue().reply(&frame.header, reply) {
            true => Ok(()),
            false => Err(rpc(format!(
                "the daemon answered call {} that was never made",
                frame.header.serial
            ))),
        }
    }

    fn pong(&mut self, ping: Header) -> Result<()> {
        let header = Header {
            proc: keepalive::Pong::ROW.number,
            ..ping
        };
        self.link
            .queue()
            .outbox
            .append(&header, Vec::new(), |_| Ok(()))
            .map_err(|error| rpc(error.to_string()))
    }

    fn event(&mut self, frame: &Frame<'_>) -> Result<()> {
        let queue = self.link.queue();
        let Some(events) = &queue.events else {
            return Ok(());
        };
        let event = Event {
            program: frame.header.prog,
            number: frame.header.proc,
            payload: Bytes::copy_from_slice(frame.payload),
        };
        match events.try_send(event) {
            Err(tokio::sync::mpsc::error::TrySendError::Full(_)) => {
                Err(rpc("too many events were left unread"))
            }
            // Without a receiver they are not wanted.
            Ok(()) | Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    fn stream(&mut self, frame: &Frame<'_>) -> Result<()> {
        let header = frame.header;
        let mut queue = self.link.queue();
        let Some(stream) = queue.stream(&header) else {
            return Ok(());
        };
        match (header.kind, header.status) {
            (MessageKind::StreamHole, _) => {
                let hole: StreamHole = xdr::from_bytes(frame.payload)
                    .map_err(|error| rpc(format!("a hole is malformed: {error}")))?;
                stream.push(Item::Hole(u64::try_from(hole.length).unwrap_or(0)));
            }
            (_, Status::Continue) => {
                stream.push(Item::Data(Bytes::copy_from_slice(frame.payload)));
            }
            (_, Status::Ok) => stream.confirm(),
            (_, Status::Error) => stream.fail(error_of(frame.payload)),
        }
        Ok(())
    }
}

fn error_of(payload: &[u8]) -> Error {
    match xdr::from_bytes::<RemoteError>(payload) {
        Ok(error) => error.into(),
        Err(error) => rpc(format!("the daemon's error is malformed: {error}")),
    }
}

fn broken(error: &io::Error) -> Error {
    Error::system(
        ErrorDomain::Rpc,
        "the connection to the daemon broke",
        error,
    )
}
