//! A connection to a daemon, as its users see it.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc, oneshot};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::queue::{Queue, Waiting};
use super::stream::{ClientStream, Entry};
use super::task::Task;
use crate::framing::{Header, MessageKind, Status};
use crate::protocol::remote::{
    AuthList, AuthPolkit, AuthType, ConnectClose, ConnectOpen, ConnectOpenArgs,
};
use crate::protocol::{EventMessage, Procedure, Program, Row};
use crate::server::RawReply;
use crate::xdr::{self, Encode};

/// Calls of one connection under way; more wait.
const CALLS_MAX: usize = 256;
/// Events that may wait for their receiver; beyond, the connection is given up.
const EVENTS_MAX: usize = 4096;
/// How long a daemon with a full backlog is tried.
const BACKLOG_PATIENCE: Duration = Duration::from_secs(10);
/// Bit of CONNECT_OPEN's flags.
const OPEN_READONLY: u32 = 1;

/// A connection to a daemon. Clones are the same connection; it ends when the last one is
/// dropped.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Link>);

/// What the connection's task keeps, too.
#[derive(Debug)]
pub(super) struct Link {
    queue: Mutex<Queue>,
    changed: Notify,
}

/// An event that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Number of its program.
    pub program: u32,
    /// Its number.
    pub number: i32,
    /// Its content.
    pub payload: Bytes,
}

impl Event {
    /// The event's content, if it is an `E` and well formed.
    pub fn read<E: EventMessage>(&self) -> Option<E::Msg> {
        let same = self.program == E::ROW.program.number() && self.number == E::ROW.number;
        same.then(|| xdr::from_bytes(&self.payload).ok()).flatten()
    }
}

impl Connection {
    /// Connects to a socket; a path that starts with `@` is an abstract one.
    pub async fn connect(path: &Path) -> Result<Self> {
        let failed = |error: &std::io::Error| {
            Error::system(
                ErrorDomain::Rpc,
                format!("Failed to connect socket to '{}'", path.display()),
                error,
            )
        };
        let name = match path.to_str().and_then(|path| path.strip_prefix('@')) {
            Some(name) => Path::new("\0").join(name),
            None => path.to_owned(),
        };
        let attempts = async {
            loop {
                match UnixStream::connect(&name).await {
                    // The daemon's backlog is full: connecting to a socket doesn't wait.
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    connected => return connected,
                }
            }
        };
        let connected = tokio::time::timeout(BACKLOG_PATIENCE, attempts)
            .await
            .unwrap_or_else(|_| {
                Err(std::io::Error::from_raw_os_error(
                    rustix::io::Errno::AGAIN.raw_os_error(),
                ))
            });
        Ok(Self::over(connected.map_err(|error| failed(&error))?))
    }

    /// A connection over a socket that is connected already. Must be called in a tokio runtime.
    pub fn over(stream: UnixStream) -> Self {
        let link = Arc::new(Link {
            queue: Mutex::new(Queue::new()),
            changed: Notify::new(),
        });
        tokio::spawn(Task::run(stream, Arc::clone(&link)));
        Self(Arc::new(Handle(link)))
    }

    /// Authenticates and opens the daemon's driver (WIRE.md section 5).
    pub async fn open(&self, uri: &str, readonly: bool) -> Result<()> {
        let ways = self.call::<AuthList>(&()).await?.types;
        match ways.first().copied().unwrap_or(AuthType::NONE) {
            AuthType::NONE => {}
            AuthType::POLKIT => {
                self.call::<AuthPolkit>(&()).await?;
            }
            AuthType(other) => {
                return Err(Error::new(
                    ErrorCode::AuthFailed,
                    ErrorDomain::Rpc,
                    format!("the daemon wants authentication of type {other}"),
                ));
            }
        }
        let flags = if readonly { OPEN_READONLY } else { 0 };
        let name = Some(uri.to_owned());
        self.call::<ConnectOpen>(&ConnectOpenArgs { name, flags })
            .await
    }

    /// Says good-bye; the daemon then closes.
    pub async fn close(&self) -> Result<()> {
        self.call::<ConnectClose>(&()).await
    }

    /// Makes a call and waits for its reply.
    pub async fn call<P: Procedure>(&self, args: &P::Args) -> Result<P::Ret> {
        let (reply, _) = self.call_with_fds::<P>(args, Vec::new()).await?;
        Ok(reply)
    }

    /// Makes a call with descriptors; the reply may come with some.
    pub async fn call_with_fds<P: Procedure>(
        &self,
        args: &P::Args,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(P::Ret, Vec<OwnedFd>)> {
        let (reply, _) = self
            .send::<P::Args>(P::ROW, args, descriptors, None)
            .await?;
        Ok((decode::<P>(&reply.payload)?, reply.descriptors))
    }

    /// Makes a call that opens a stream.
    pub async fn call_stream<P: Procedure>(
        &self,
        args: &P::Args,
    ) -> Result<(P::Ret, ClientStream)> {
        let (reply, stream) = self.send(P::ROW, args, Vec::new(), P::ROW.stream).await?;
        let stream = stream.ok_or_else(|| rpc(format!("{} has no stream", P::ROW.name)))?;
        Ok((decode::<P>(&reply.payload)?, stream))
    }

    /// Makes a call whose arguments are encoded already, such as another client's; with the
    /// stream if the row has one.
    pub async fn call_raw(
        &self,
        row: &'static Row,
        payload: &[u8],
        descriptors: Vec<OwnedFd>,
    ) -> Result<(RawReply, Option<ClientStream>)> {
        self.send(row, &Raw(payload), descriptors, row.stream).await
    }

    /// The events from now on; those nobody receives are dropped. Asking again ends the former
    /// receiver.
    pub fn events(&self) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(EVENTS_MAX);
        let mut queue = self.link().queue();
        if queue.end.is_none() {
            queue.events = Some(sender);
        }
        receiver
    }

    /// Resolves when the connection is over, with the reason.
    pub async fn closed(&self) -> Error {
        self.link().until(|queue| queue.end.clone()).await
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.link().queue().end.is_some()
    }

    fn link(&self) -> &Arc<Link> {
        &self.0.0
    }

    async fn send<T: Encode>(
        &self,
        row: &'static Row,
        args: &T,
        descriptors: Vec<OwnedFd>,
        stream: Option<crate::protocol::StreamDirection>,
    ) -> Result<(RawReply, Option<ClientStream>)> {
        let link = self.link();
        let (sender, receiver) = oneshot::channel();
        let mut parts = Some((descriptors, sender));
        let call = link
            .until(|queue| {
                if let Some(error) = &queue.end {
                    return Some(Err(error.clone()));
                }
                if queue.waiting.len() >= CALLS_MAX {
                    return None;
                }
                let (descriptors, reply) = parts.take()?;
                let mut call = Header {
                    prog: row.program.number(),
                    vers: Program::VERSION,
                    proc: row.number,
                    kind: MessageKind::Call,
                    serial: queue.next_serial,
                    status: Status::Ok,
                };
                if !descriptors.is_empty() {
                    call.kind = MessageKind::CallWithFds;
                }
                let appended = queue
                    .outbox
                    .append(&call, descriptors, |encoder| args.encode(encoder));
                if let Err(error) = appended {
                    return Some(Err(rpc(format!("{} cannot be sent: {error}", row.name))));
                }
                queue.next_serial = queue.next_serial.wrapping_add(1);
                queue.waiting.insert(call.serial, Waiting { call, reply });
                if stream.is_some() {
                    queue.streams.push(Entry::new(call));
                }
                queue.wake();
                Some(Ok(call))
            })
            .await?;
        // From here on the stream is given up when the caller no longer waits.
        let stream = stream.map(|_| ClientStream::new(self.clone(), call));
        let reply = receiver
            .await
            .unwrap_or_else(|_| Err(rpc("the connection's task is gone")));
        link.changed.notify_waiters();
        Ok((reply?, stream))
    }

    pub(super) fn shared(&self) -> &Link {
        &self.0.0
    }
}

impl Link {
    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notify(&self) {
        self.changed.notify_waiters();
    }

    /// Waits until `done` finds what it looks for.
    pub(super) async fn until<T>(&self, mut done: impl FnMut(&mut Queue) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = done(&mut self.queue()) {
                return found;
            }
            changed.await;
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.closing = true;
        queue.wake();
    }
}

struct Raw<'a>(&'a [u8]);

impl Encode for Raw<'_> {
    fn encode(&self, out: &mut xdr::Encoder<'_>) -> Result<(), xdr::XdrError> {
        out.raw(self.0)
    }
}

fn decode<P: Procedure>(payload: &[u8]) -> Result<P::Ret> {
    xdr::from_bytes(payload).map_err(|error| {
        rpc(format!(
            "the reply to {} is malformed: {error}",
            P::ROW.name
        ))
    })
}

pub(super) fn rpc(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::Rpc, ErrorDomain::Rpc, detail)
}
