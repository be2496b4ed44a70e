//! One connected client, as handlers and events see it.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use virt_error::{Error, ErrorCode, ErrorDomain};

use super::asked::{self, Asked};
use super::identity::Identity;
use super::listener::Role;
use super::meter::Meter;
use super::stream::{Entry, Incoming};
use crate::framing::{Header, MessageKind, Status};
use crate::link::Outbox;
use crate::protocol::wire_error::RemoteError;
use crate::protocol::{EventMessage, Program, Row};
use crate::xdr::{Encode, Encoder, XdrError};

/// Bytes of events that may wait for a client that doesn't read; beyond, it is disconnected.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events that may wait for a client that doesn't read; beyond, it is disconnected.
const EVENTS_MAX: usize = 16 * 1024;
/// Every event carries this serial (WIRE.md section 1).
const EVENT_SERIAL: u32 = 1;

/// A connected client. Clones are the same client; it may be gone, then nothing is sent.
#[derive(Debug, Clone)]
pub struct Client(Arc<Peer>);

#[derive(Debug)]
struct Peer {
    /// The connection's task has the socket, and closes it.
    socket: Weak<UnixStream>,
    id: u64,
    role: Role,
    since: SystemTime,
    identity: ArcSwap<Identity>,
    readonly: AtomicBool,
    authenticated: AtomicBool,
    queue: Mutex<Queue>,
    /// Room in the queue, or the end of the connection.
    changed: Notify,
    meter: Arc<Meter>,
}

/// What the connection's task and everyone who talks to the client share.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub outbox: Outbox,
    /// The connection's task, when it waits.
    pub waker: Option<Waker>,
    /// Calls whose replies are not queued yet, and upload packets not consumed yet.
    pub requests: u32,
    /// Bytes of upload packets not consumed yet.
    pub upload_bytes: usize,
    /// The streams that are open.
    pub streams: Vec<Entry>,
    /// Someone waits for room.
    pub room_wanted: bool,
    /// Nothing more is read: the connection is about to be handed over.
    pub suspending: bool,
    pub end: End,
}

impl Queue {
    /// Whether nothing that the client asked for is under way.
    pub fn is_answered(&self) -> bool {
        self.requests == 0 && self.streams.is_empty()
    }
}

/// Whether the connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    /// It does.
    #[default]
    Open,
    /// It ends when everything queued was sent.
    Flushing,
    /// It is over.
    Closed,
}

impl Client {
    pub(super) fn new(
        id: u64,
        role: Role,
        since: SystemTime,
        identity: Identity,
        authenticated: bool,
        socket: &Arc<UnixStream>,
        meter: &Arc<Meter>,
    ) -> Self {
        Self(Arc::new(Peer {
            socket: Arc::downgrade(socket),
            id,
            role,
            since,
            identity: ArcSwap::from_pointee(identity),
            readonly: AtomicBool::new(role == Role::ReadOnly),
            authenticated: AtomicBool::new(authenticated),
            queue: Mutex::default(),
            changed: Notify::new(),
            meter: Arc::clone(meter),
        }))
    }

    /// Its socket, unless the connection is over. Only for what is no message; between messages
    /// that wait to be sent and such bytes there is no order.
    pub fn socket(&self) -> Option<Arc<UnixStream>> {
        self.0.socket.upgrade()
    }

    /// A number no other client of the daemon has had.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The socket it came through.
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// When it connected.
    pub fn connected_since(&self) -> SystemTime {
        self.0.since
    }

    /// Who it is: its own process, or whom it says it acts for, once it was trusted to say so.
    pub fn identity(&self) -> Arc<Identity> {
        self.0.identity.load_full()
    }

    /// Replaces the identity all later checks use.
    pub fn set_identity(&self, identity: Identity) {
        self.0.identity.store(Arc::new(identity));
    }

    /// Whether it may only look; this stays as it is for the life of the connection.
    pub fn is_readonly(&self) -> bool {
        self.0.readonly.load(Ordering::Relaxed)
    }

    pub(super) fn make_readonly(&self) {
        self.0.readonly.store(true, Ordering::Relaxed);
    }

    pub(super) fn make_authenticated(&self) {
        self.0.authenticated.store(true, Ordering::Relaxed);
    }

    /// Whether it proved who it is.
    pub fn is_authenticated(&self) -> bool {
        self.0.authenticated.load(Ordering::Relaxed)
    }

    /// Sends an event. The queue is bounded: a client that leaves too many unread is disconnected.
    pub fn event<E: EventMessage>(&self, message: &E::Msg) {
        self.send_event(E::ROW, |encoder| message.encode(encoder));
    }

    /// Sends an event whose payload is encoded already, such as another daemon's.
    pub fn event_raw(&self, row: &Row, payload: &[u8]) {
        self.send_event(row, |encoder| encoder.raw(payload));
    }

    fn send_event(&self, row: &Row, write: impl FnOnce(&mut Encoder<'_>) -> Result<(), XdrError>) {
        let header = Header {
            prog: row.program.number(),
            vers: Program::VERSION,
            proc: row.number,
            kind: MessageKind::Message,
            serial: EVENT_SERIAL,
            status: Status::Ok,
        };
        let mut queue = self.queue();
        if queue.end != End::Open {
            return;
        }
        let (events, bytes) = queue.outbox.waiting_events();
        if events >= EVENTS_MAX || bytes >= EVENT_BYTES_MAX {
            tracing::warn!(
                "client {} is disconnected: it left {events} events ({bytes} bytes) unread",
                self.0.id
            );
            self.finish(&mut queue, End::Closed);
            return;
        }
        if let Err(error) = queue.outbox.append_event(&header, write) {
            tracing::error!("event {} cannot be sent: {error}", row.name);
        }
        wake(&mut queue);
    }

    /// Ends the connection once everything queued was sent.
    pub fn close(&self) {
        let mut queue = self.queue();
        if queue.end == End::Open {
            self.finish(&mut queue, End::Flushing);
        }
    }

    /// Ends the connection now.
    pub fn kill(&self) {
        let mut queue = self.queue();
        self.finish(&mut queue, End::Closed);
    }

    /// Has the connection handed over once everything it asked for was answered.
    pub(super) fn suspend(&self) {
        let mut queue = self.queue();
        queue.suspending = true;
        wake(&mut queue);
    }

    /// Calls under way, and upload packets that were not consumed yet.
    pub fn requests(&self) -> u32 {
        self.queue().requests
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.queue().end == End::Closed
    }

    /// Resolves when the connection is over.
    pub async fn closed(&self) {
        self.until(|queue| (queue.end == End::Closed).then_some(()))
            .await;
    }

    fn finish(&self, queue: &mut Queue, end: End) {
        queue.end = end;
        if end == End::Closed {
            queue.streams.clear();
            self.0.changed.notify_waiters();
        }
        wake(queue);
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic while it was held leaves whole messages: see `Outbox::committed`.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done` finds what it looks for; it is asked again whenever there is more room,
    /// and when the connection is over.
    pub(super) async fn until<T>(&self, mut done: impl FnMut(&mut Queue) -> Option<T>) -> T {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut queue = self.queue();
                if let Some(found) = done(&mut queue) {
                    return found;
                }
                queue.room_wanted = true;
            }
            changed.await;
        }
    }

    /// Tells those who wait in [`Self::until`] to look again.
    pub(super) fn notify(&self) {
        self.0.changed.notify_waiters();
    }

    /// A call is under way beyond its arrival.
    pub(super) fn begin(&self) {
        self.queue().requests += 1;
    }

    /// A call that [began](Self::begin) was answered.
    pub(super) fn done(&self) {
        let mut queue = self.queue();
        queue.requests = queue.requests.saturating_sub(1);
        wake(&mut queue);
        drop(queue);
        self.notify();
    }

    /// A packet of a stream came.
    pub(super) fn stream_packet(&self, header: &Header, incoming: Incoming) {
        self.queue().stream_packet(header, incoming);
        self.notify();
    }

    /// Resolves when no call is under way.
    pub(super) async fn until_answered(&self) {
        self.until(|queue| (queue.requests == 0 || queue.end == End::Closed).then_some(()))
            .await;
    }

    /// Queues the reply to a call.
    pub(super) fn reply<T: Encode>(&self, call: Asked, value: &T, descriptors: Vec<OwnedFd>) {
        let duration = call.duration();
        self.0.meter.answered(&call.header, false, duration);
        tracing::debug!(target: super::CALL, duration, "answered");
        let mut header = call.reply(Status::Ok);
        if !descriptors.is_empty() {
            header.kind = MessageKind::ReplyWithFds;
        }
        let mut queue = self.queue();
        if queue.end == End::Closed {
            return;
        }
        let queued = queue
            .outbox
            .append(&header, descriptors, |encoder| value.encode(encoder));
        if let Err(error) = queued {
            let error = Error::new(
                ErrorCode::Rpc,
                ErrorDomain::Rpc,
                format!("the reply cannot be sent: {error}"),
            );
            append_error(&mut queue, call.reply(Status::Error), &error);
        }
    }

    /// Queues an error in answer to a call.
    pub(super) fn reply_error(&self, call: Asked, error: &Error) {
        let duration = call.duration();
        self.0.meter.answered(&call.header, true, duration);
        asked::tell(error, duration);
        let mut queue = self.queue();
        if queue.end != End::Closed {
            append_error(&mut queue, call.reply(Status::Error), error);
        }
    }
}

/// Queues an error under a header.
pub(super) fn append_error(queue: &mut Queue, header: Header, error: &Error) {
    let mut error = RemoteError::from(error);
    if error.code == 0 {
        // Never sent (WIRE.md section 4): clients would take it for no error.
        error.code = ErrorCode::InternalError.number();
        error.domain = ErrorDomain::Rpc.number();
    }
    let queued = queue
        .outbox
        .append(&header, Vec::new(), |encoder| error.encode(encoder));
    if let Err(problem) = queued {
        // A text above the limit of a string: say at least what kind of error it was.
        let short = Error::from_wire(
            error.code,
            error.domain,
            format!("an error whose text cannot be sent: {problem}"),
            None,
            None,
            None,
        );
        let short = RemoteError::from(&short);
        if let Err(problem) = queue
            .outbox
            .append(&header, Vec::new(), |encoder| short.encode(encoder))
        {
            tracing::error!("an error reply cannot be encoded: {problem}");
        }
    }
}

/// Lets the connection's task look at the queue.
pub(super) fn wake(queue: &mut Queue) {
    if let Some(waker) = queue.waker.take() {
        waker.wake();
    }
}
