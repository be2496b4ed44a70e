//! Streams of a call, the client's end (WIRE.md section 9).

use std::collections::VecDeque;

use bytes::Bytes;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::connection::Connection;
use super::queue::Queue;
use crate::framing::{Header, MessageKind, STREAM_CHUNK, Status, StreamHole};
use crate::xdr::{Encode, XdrError};

/// Bytes waiting to be sent above which a stream waits with its next packet.
pub(super) const ROOM: usize = STREAM_CHUNK;

/// What came from the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Data.
    Data(Bytes),
    /// That many bytes to skip.
    Hole(u64),
}

/// A stream that is open, in the queue.
#[derive(Debug)]
pub(super) struct Entry {
    call: Header,
    incoming: VecDeque<Item>,
    /// Bytes of `incoming`.
    pub bytes: usize,
    ended: bool,
    /// How the daemon answered the finish, or why it broke off.
    outcome: Option<Result<()>>,
}

impl Entry {
    pub(super) fn new(call: Header) -> Self {
        Self {
            call,
            incoming: VecDeque::new(),
            bytes: 0,
            ended: false,
            outcome: None,
        }
    }

    pub(super) fn is_of(&self, header: &Header) -> bool {
        (self.call.prog, self.call.proc, self.call.serial)
            == (header.prog, header.proc, header.serial)
    }

    pub(super) fn push(&mut self, item: Item) {
        if let Item::Data(data) = &item {
            if data.is_empty() {
                self.ended = true;
                return;
            }
            self.bytes += data.len();
        }
        self.incoming.push_back(item);
    }

    pub(super) fn confirm(&mut self) {
        self.outcome.get_or_insert(Ok(()));
    }

    pub(super) fn fail(&mut self, error: Error) {
        self.outcome.get_or_insert(Err(error));
    }
}

impl Queue {
    pub(super) fn stream(&mut self, header: &Header) -> Option<&mut Entry> {
        self.streams.iter_mut().find(|entry| entry.is_of(header))
    }
}

/// One open stream. Dropping it before it is finished aborts it.
#[derive(Debug)]
pub struct ClientStream {
    connection: Connection,
    call: Header,
}

impl ClientStream {
    pub(super) fn new(connection: Connection, call: Header) -> Self {
        Self { connection, call }
    }

    /// The next thing the daemon sends; nothing after its end.
    ///
    /// # Errors
    /// The daemon's reason for breaking the stream off, or the end of the connection.
    pub async fn recv(&self) -> Result<Option<Item>> {
        self.connection
            .shared()
            .until(|queue| {
                let Some(entry) = queue.stream(&self.call) else {
                    return Some(Err(closed()));
                };
                if let Some(item) = entry.incoming.pop_front() {
                    if let Item::Data(data) = &item {
                        entry.bytes -= data.len();
                    }
                    // The task may have stopped reading.
                    queue.wake();
                    return Some(Ok(Some(item)));
                }
                match &entry.outcome {
                    Some(outcome) => Some(outcome.clone().map(|()| None)),
                    None => entry.ended.then_some(Ok(None)),
                }
            })
            .await
    }

    /// Sends data, waiting until the daemon has taken most of what was sent before.
    pub async fn send(&self, data: &[u8]) -> Result<()> {
        for chunk in data.chunks(STREAM_CHUNK) {
            self.packet(MessageKind::Stream, &Data(chunk)).await?;
        }
        Ok(())
    }

    /// Sends a hole; only if the call asked for a sparse stream.
    pub async fn send_hole(&self, length: u64) -> Result<()> {
        let hole = StreamHole {
            length: i64::try_from(length).unwrap_or(i64::MAX),
            flags: 0,
        };
        self.packet(MessageKind::StreamHole, &hole).await
    }

    /// Says that everything was sent, or seen; waits until the daemon confirms.
    ///
    /// # Errors
    /// The daemon could not do everything after all.
    pub async fn finish(&self) -> Result<()> {
        self.part(Status::Ok).await
    }

    /// Gives the stream up; waits until the daemon confirms.
    pub async fn abort(&self) -> Result<()> {
        self.part(Status::Error).await
    }

    async fn part(&self, status: Status) -> Result<()> {
        self.say(status)?;
        let link = self.connection.shared();
        let outcome = link
            .until(|queue| match queue.stream(&self.call) {
                Some(entry) => {
                    // What still comes is not wanted any more.
                    entry.incoming.clear();
                    entry.bytes = 0;
                    let outcome = entry.outcome.clone();
                    queue.wake();
                    outcome
                }
                None => Some(Err(closed())),
            })
            .await;
        self.forget();
        outcome
    }

    fn say(&self, status: Status) -> Result<()> {
        let mut queue = self.connection.shared().queue();
        let entry = queue.stream(&self.call).ok_or_else(closed)?;
        if let Some(Err(error)) = &entry.outcome {
            return Err(error.clone());
        }
        let appended = queue
            .outbox
            .append(&self.call.stream(status), Vec::new(), |_| Ok(()));
        queue.wake();
        appended.map_err(unsendable)
    }

    async fn packet<T: Encode>(&self, kind: MessageKind, content: &T) -> Result<()> {
        let header = Header {
            kind,
            ..self.call.stream(Status::Continue)
        };
        self.connection
            .shared()
            .until(|queue| {
                match queue.stream(&self.call).map(|entry| &entry.outcome) {
                    None | Some(Some(Ok(()))) => return Some(Err(closed())),
                    Some(Some(Err(error))) => return Some(Err(error.clone())),
                    Some(None) => {}
                }
                if queue.outbox.pending() >= ROOM {
                    return None;
                }
                let appended = queue
                    .outbox
                    .append(&header, Vec::new(), |encoder| content.encode(encoder));
                queue.wake();
                Some(appended.map_err(unsendable))
            })
            .await
    }

    fn forget(&self) {
        let mut queue = self.connection.shared().queue();
        queue.streams.retain(|entry| !entry.is_of(&self.call));
        queue.wake();
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        let open = {
            let mut queue = self.connection.shared().queue();
            queue
                .stream(&self.call)
                .is_some_and(|entry| entry.outcome.is_none())
        };
        if open {
            // Packets that still come for it are dropped, the confirmation too.
            let _ = self.say(Status::Error);
        }
        self.forget();
    }
}

struct Data<'a>(&'a [u8]);

impl Encode for Data<'_> {
    fn encode(&self, out: &mut crate::xdr::Encoder<'_>) -> Result<(), XdrError> {
        out.raw(self.0)
    }
}

fn unsendable(error: XdrError) -> Error {
    super::connection::rpc(format!("a stream packet cannot be sent: {error}"))
}

fn closed() -> Error {
    Error::new(
        ErrorCode::OperationInvalid,
        ErrorDomain::Streams,
        "the stream is closed",
    )
}
