//! The task of one connection: read, dispatch, write, and notice when the client is gone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Duration, Instant, Sleep};

use super::client::{Client, End, Queue};
use super::door::Waiting;
use super::handover::Suspended;
use super::serve::Shared;
use super::stream;
use crate::framing::{Frame, FrameError};
use crate::link::{Due, Keepalive, Received, Socket, with_receive_buffer};

/// Calls answered before other connections get their turn.
const CALLS_A_TURN: usize = 64;
/// Bytes waiting for a client above which nothing more is taken from it.
const OUT_MAX: usize = 1024 * 1024;
/// Bytes taken from a client that is at its limit of requests, looking for pings.
const HELD_MAX: usize = 128 * 1024;
/// Bytes of upload packets that wait for their stream, above which the client is at its limit.
const UPLOAD_MAX: usize = 1024 * 1024;
/// Descriptors received whose messages were not dispatched yet.
const DESCRIPTORS_MAX: usize = 128;
/// Longest message taken from a client that has not authenticated.
const ANONYMOUS_MESSAGE_MAX: usize = 512 * 1024;
/// How often a client that we don't listen to is looked after.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// Why a connection ends, when the client didn't simply close it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a message of {nfds} descriptors came with {received}")]
    MissingDescriptors { nfds: u32, received: usize },
    #[error("it sent {0} descriptors that no message is for")]
    TooManyDescriptors(usize),
    #[error("it sent more than {ANONYMOUS_MESSAGE_MAX} bytes before it authenticated")]
    AnonymousMessage,
    #[error("it did not authenticate in time")]
    Anonymous,
    #[error("it has been silent too long")]
    Silent,
    #[error(transparent)]
    Io(#[from] io::Error),
}

pub(super) struct Connection<S> {
    pub(super) client: Client,
    pub(super) server: Arc<Shared<S>>,
    pub(super) session: Option<Arc<S>>,
    /// Whether the client asked to be told when the connection of the driver closes.
    pub(super) close_callback: bool,
    pub(super) keepalive: Option<Keepalive>,
    socket: Socket,
    /// Bytes received that are not dispatched yet.
    input: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
    hold: Hold,
    /// The call that the doorkeeper is asked about.
    pub(super) waiting: Option<Waiting>,
    /// The place of a client that has not authenticated.
    pub(super) slot: Option<OwnedSemaphorePermit>,
    /// When a client that has not authenticated is given up.
    pub(super) anonymous_until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why `input` may contain whole messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// It doesn't.
    No,
    /// The connection had its turn.
    Turn,
    /// The client is at its limit; the first bytes, that many, were searched for pings.
    Limit(usize),
}

enum Wake {
    Readable,
    Flush,
    Resume,
    Timer,
    End,
    Suspend,
    /// The doorkeeper has answered.
    Decided(virt_error::Result<()>),
}

/// How the service of a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The client or the daemon has closed it.
    Closed,
    /// It stays connected: someone else goes on with it.
    Suspended,
}

impl<S: Send + Sync + 'static> Connection<S> {
    /// # Errors
    /// When the socket can't be watched.
    pub(super) fn new(
        stream: Arc<UnixStream>,
        client: Client,
        server: Arc<Shared<S>>,
    ) -> io::Result<Self> {
        Ok(Self {
            client,
            server,
            session: None,
            close_callback: false,
            keepalive: None,
            socket: Socket::new(stream)?,
            input: Vec::new(),
            descriptors: VecDeque::new(),
            hold: Hold::No,
            waiting: None,
            slot: None,
            anonymous_until: None,
            timer: None,
        })
    }

    /// Serves the client until it leaves. One that must authenticate does so by `deadline`.
    pub(super) async fn serve(mut self, deadline: Option<Instant>) {
        self.anonymous_until = deadline;
        self.set_timer();
        match self.turns().await {
            Ok(Left::Closed) => {}
            Ok(Left::Suspended) => return self.hand_over(),
            Err(fault) => {
                tracing::warn!("client {} is disconnected: {fault}", self.client.id());
            }
        }
        self.client.kill();
        if let Some(session) = &self.session {
            self.server.router.left(session);
        }
    }

    async fn turns(&mut self) -> Result<Left, Fault> {
        loop {
            while self.hold == Hold::Turn && !self.client.queue().suspending {
                self.flush()?;
                tokio::task::yield_now().await;
                self.resume()?;
            }
            self.flush()?;
            match self.next().await? {
                Wake::End => return Ok(Left::Closed),
                Wake::Suspend => return Ok(Left::Suspended),
                Wake::Flush => {}
                Wake::Decided(result) => self.decided(result),
                Wake::Resume => self.resume()?,
                Wake::Timer => self.on_time()?,
                Wake::Readable => {
                    if !self.read()? {
                        return Ok(Left::Closed);
                    }
                }
            }
        }
    }

    /// Gives the connection away as it is: between two messages, or within one.
    fn hand_over(self) {
        let output = self.client.queue().outbox.take_unsent();
        let suspended = Suspended {
            socket: self.socket.into_inner(),
            id: self.client.id(),
            role: self.client.role(),
            since: self.client.connected_since(),
            readonly: self.client.is_readonly(),
            identity: self.client.identity().as_ref().clone(),
            session: self.session,
            input: self.input,
            output,
        };
        self.server.suspended(suspended);
    }

    /// Goes on where [`Self::hand_over`] stopped.
    pub(super) fn take_up(&mut self, session: Option<Arc<S>>, input: Vec<u8>, output: &[u8]) {
        self.session = session;
        self.client.queue().outbox.append_unsent(output);
        if !input.is_empty() {
            self.hold = Hold::Turn;
        }
        self.input = input;
    }

    /// Waits for something to do.
    async fn next(&mut self) -> Result<Wake, io::Error> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Wake>> {
        if let Some(waiting) = &mut self.waiting
            && let Poll::Ready(result) = waiting.poll(context)
        {
            return Poll::Ready(Ok(Wake::Decided(result)));
        }
        let listening = {
            let mut queue = self.client.queue();
            let flushed = queue.outbox.is_empty();
            if queue.end == End::Closed || (queue.end == End::Flushing && flushed) {
                return Poll::Ready(Ok(Wake::End));
            }
            if queue.suspending && queue.is_answered() {
                return Poll::Ready(Ok(Wake::Suspend));
            }
            if !flushed && !self.socket.is_blocked() {
                return Poll::Ready(Ok(Wake::Flush));
            }
            let free = self.has_room(&queue);
            if free && matches!(self.hold, Hold::Limit(_)) {
                return Poll::Ready(Ok(Wake::Resume));
            }
            match &queue.waker {
                Some(waker) if waker.will_wake(context.waker()) => {}
                _ => queue.waker = Some(context.waker().clone()),
            }
            self.listens(&queue)
        };
        if listening && self.socket.poll_readable(context)?.is_ready() {
            return Poll::Ready(Ok(Wake::Readable));
        }
        if self.socket.is_blocked() && self.socket.poll_writable(context)?.is_ready() {
            return Poll::Ready(Ok(Wake::Flush));
        }
        if !listening && self.timer.is_none() {
            self.timer = Some(Box::pin(tokio::time::sleep(LOOK_AFTER)));
        }
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(context).map(|()| Ok(Wake::Timer)),
            None => Poll::Pending,
        }
    }

    /// Whether the next message may be dispatched.
    fn has_room(&self, queue: &Queue) -> bool {
        queue.end == End::Open
            && !queue.suspending
            && self.waiting.is_none()
            && queue.requests < self.server.settings.limits.requests.max(1)
            && queue.upload_bytes < UPLOAD_MAX
            && queue.outbox.pending() < OUT_MAX
    }

    /// Whether more is read from the client.
    fn listens(&self, queue: &Queue) -> bool {
        queue.end == End::Open
            && !queue.suspending
            && queue.outbox.pending() < OUT_MAX
            && (self.hold == Hold::No || self.input.len() < HELD_MAX)
    }

    /// Reads once and dispatches; false at the end of what the client sends.
    fn read(&mut self) -> Result<bool, Fault> {
        with_receive_buffer(|buffer| {
            match self.socket.receive(buffer, &mut self.descriptors)? {
                Received::Nothing => return Ok(true),
                Received::End => return Ok(false),
                Received::Bytes(count) => {
                    if let Some(keepalive) = &mut self.keepalive {
                        keepalive.heard(Instant::now());
                    }
                    let arrived = buffer.get(..count).unwrap_or_default();
                    if self.input.is_empty() && self.hold == Hold::No {
                        let used = self.dispatch(arrived)?;
                        self.input
                            .extend_from_slice(arrived.get(used..).unwrap_or_default());
                    } else {
                        self.input.extend_from_slice(arrived);
                        if self.hold == Hold::No {
                            self.resume()?;
                        }
                    }
                }
            }
            self.check_bounds()?;
            if let Hold::Limit(_) = self.hold {
                self.answer_held_pings()?;
            }
            Ok(true)
        })
    }

    fn check_bounds(&self) -> Result<(), Fault> {
        if self.descriptors.len() > DESCRIPTORS_MAX {
            return Err(Fault::TooManyDescriptors(self.descriptors.len()));
        }
        if self.input.len() > ANONYMOUS_MESSAGE_MAX && !self.client.is_authenticated() {
            return Err(Fault::AnonymousMessage);
        }
        Ok(())
    }

    /// Dispatches what was held.
    fn resume(&mut self) -> Result<(), Fault> {
        self.hold = Hold::No;
        let mut input = std::mem::take(&mut self.input);
        let used = self.dispatch(&input)?;
        if used == input.len() {
            return Ok(());
        }
        input.drain(..used);
        self.input = input;
        Ok(())
    }

    /// Dispatches the messages at the front of `bytes`, as many as may be; how many bytes that
    /// were. What then remains is part of a message, or held.
    fn dispatch(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut used = 0;
        let mut calls = 0;
        while let Some(frame) = Frame::cut(bytes.get(used..).unwrap_or_default())? {
            if !self.ping(&frame) {
                if calls == CALLS_A_TURN {
                    self.hold = Hold::Turn;
                    break;
                }
                if !self.has_room(&self.client.queue()) {
                    self.hold = Hold::Limit(0);
                    break;
                }
                calls += 1;
                let descriptors = self.descriptors_of(&frame)?;
                self.message(&frame, descriptors);
            }
            used += frame.size;
        }
        Ok(used)
    }

    fn descriptors_of(&mut self, frame: &Frame<'_>) -> Result<Vec<OwnedFd>, Fault> {
        if frame.nfds == 0 {
            return Ok(Vec::new());
        }
        let received = self.descriptors.len();
        if received < frame.nfds as usize {
            return Err(Fault::MissingDescriptors {
                nfds: frame.nfds,
                received,
            });
        }
        Ok(self.descriptors.drain(..frame.nfds as usize).collect())
    }

    /// Answers what must not wait for the client's own requests: pings, and streams it gives up.
    fn answer_held_pings(&mut self) -> Result<(), Fault> {
        let Hold::Limit(mut searched) = self.hold else {
            return Ok(());
        };
        let mut input = std::mem::take(&mut self.input);
        while let Some(frame) = Frame::cut(input.get(searched..).unwrap_or_default())? {
            let size = frame.size;
            if self.ping(&frame) || self.gives_up(&frame) {
                input.drain(searched..searched + size);
            } else {
                searched += size;
            }
        }
        self.input = input;
        self.hold = Hold::Limit(searched);
        Ok(())
    }

    fn gives_up(&self, frame: &Frame<'_>) -> bool {
        let aborts = stream::is_abort(&frame.header);
        if aborts {
            self.client
                .stream_packet(&frame.header, stream::Incoming::Abort);
        }
        aborts
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut queue = self.client.queue();
        if queue.outbox.is_empty() {
            return Ok(());
        }
        self.socket.send(&mut queue.outbox)?;
        if queue.room_wanted && queue.outbox.pending() < stream::ROOM {
            queue.room_wanted = false;
            drop(queue);
            self.client.notify();
        }
        Ok(())
    }

    fn on_time(&mut self) -> Result<(), Fault> {
        self.timer = None;
        let now = Instant::now();
        let listening = self.listens(&self.client.queue());
        if !listening && self.socket.has_hung_up() {
            self.client.kill();
            return Ok(());
        }
        if self.client.is_authenticated() {
            self.anonymous_until = None;
        }
        if self.anonymous_until.is_some_and(|until| until <= now) {
            return Err(Fault::Anonymous);
        }
        // A client that leaves its replies unread is silent of its own accord.
        let answerable = listening || self.client.queue().outbox.pending() >= OUT_MAX;
        if let Some(keepalive) = &mut self.keepalive {
            match keepalive.check(now, answerable) {
                Due::Later(_) => {}
                Due::Ping => self.send_ping(),
                Due::Dead => return Err(Fault::Silent),
            }
        }
        self.set_timer();
        Ok(())
    }

    pub(super) fn set_timer(&mut self) {
        let due = self.keepalive.as_ref().map(Keepalive::due);
        let next = match (due, self.anonymous_until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.timer = next.map(|next| Box::pin(tokio::time::sleep_until(next)));
    }
}
