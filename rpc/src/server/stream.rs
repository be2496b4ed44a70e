//! Streams of a call, the server's end (WIRE.md section 9).

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::client::{Client, End, Queue, append_error, wake};
use crate::framing::{Header, MessageKind, STREAM_CHUNK, Status, StreamHole};
use crate::xdr::Encode;

/// Bytes waiting to be sent above which a stream waits with its next packet.
pub(super) const ROOM: usize = STREAM_CHUNK;

/// What came from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Data.
    Data(Bytes),
    /// That many bytes to skip.
    Hole(u64),
    /// The client has sent everything, or has seen our end, and waits for
    /// [`ServerStream::finish`].
    Finish,
    /// The client gave up, or is gone: there is nobody to answer.
    Abort,
}

/// The stream is over: the client gave up, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client closed the stream")]
pub struct StreamClosed;

impl From<StreamClosed> for Error {
    fn from(closed: StreamClosed) -> Self {
        Self::new(
            ErrorCode::OperationAborted,
            ErrorDomain::Streams,
            closed.to_string(),
        )
    }
}

/// Whether a packet gives its stream up.
pub(super) fn is_abort(header: &Header) -> bool {
    header.kind == MessageKind::Stream && header.status == Status::Error
}

/// A stream that is open, in the client's queue.
#[derive(Debug)]
pub(super) struct Entry {
    /// Header of the call that opened it.
    pub call: Header,
    /// Whether the client may send holes.
    pub sparse: bool,
    /// Whether the call was answered.
    open: bool,
    /// Whether the client's wish to finish was taken out.
    asked: bool,
    incoming: VecDeque<Incoming>,
}

impl Entry {
    pub(super) fn new(call: Header) -> Self {
        Self {
            call,
            sparse: false,
            open: false,
            asked: false,
            incoming: VecDeque::new(),
        }
    }

    pub(super) fn is_of(&self, header: &Header) -> bool {
        (self.call.prog, self.call.proc, self.call.serial)
            == (header.prog, header.proc, header.serial)
    }
}

impl Queue {
    pub(super) fn stream(&mut self, header: &Header) -> Option<&mut Entry> {
        self.streams.iter_mut().find(|entry| entry.is_of(header))
    }

    /// Forgets a stream and what it had not consumed.
    fn remove_stream(&mut self, header: &Header) -> Option<Entry> {
        let place = self.streams.iter().position(|entry| entry.is_of(header))?;
        let entry = self.streams.swap_remove(place);
        for incoming in &entry.incoming {
            self.consumed(incoming);
        }
        Some(entry)
    }

    fn consumed(&mut self, incoming: &Incoming) {
        self.requests = self.requests.saturating_sub(1);
        if let Incoming::Data(data) = incoming {
            self.upload_bytes = self.upload_bytes.saturating_sub(data.len());
        }
    }

    /// A packet of a stream came from the client; those of streams that are over are dropped.
    pub(super) fn stream_packet(&mut self, header: &Header, incoming: Incoming) {
        if incoming == Incoming::Abort {
            if self.remove_stream(header).is_some() {
                self.append_stream(header, Status::Ok, &());
            }
            return;
        }
        let data = match &incoming {
            Incoming::Data(data) => data.len(),
            _ => 0,
        };
        let Some(entry) = self.stream(header) else {
            return;
        };
        if matches!(incoming, Incoming::Hole(_)) && !entry.sparse {
            self.fail_stream(
                header,
                &Error::new(
                    ErrorCode::Rpc,
                    ErrorDomain::Rpc,
                    "a hole in a stream that was opened without holes",
                ),
            );
            return;
        }
        entry.incoming.push_back(incoming);
        self.requests += 1;
        self.upload_bytes += data;
    }

    fn fail_stream(&mut self, header: &Header, error: &Error) {
        if self.remove_stream(header).is_some() {
            append_error(self, header.stream(Status::Error), error);
        }
    }

    fn append_stream<T: Encode>(&mut self, call: &Header, status: Status, payload: &T) {
        let header = call.stream(status);
        let queued = self
            .outbox
            .append(&header, Vec::new(), |encoder| payload.encode(encoder));
        if let Err(error) = queued {
            tracing::error!("a stream packet cannot be encoded: {error}");
        }
    }
}

/// One open stream. Dropping it before it is finished aborts it.
#[derive(Debug)]
pub struct ServerStream {
    client: Client,
    call: Header,
}

impl ServerStream {
    pub(super) fn new(client: Client, call: Header) -> Self {
        Self { client, call }
    }

    /// Lets the client send holes.
    pub fn allow_holes(&self) {
        if let Some(entry) = self.client.queue().stream(&self.call) {
            entry.sparse = true;
        }
    }

    /// The next thing the client sends. For one task at a time.
    pub async fn recv(&self) -> Incoming {
        self.client
            .until(|queue| {
                let Some(entry) = queue.stream(&self.call) else {
                    return Some(Incoming::Abort);
                };
                let incoming = entry.incoming.pop_front()?;
                entry.asked |= incoming == Incoming::Finish;
                queue.consumed(&incoming);
                // The reader may be waiting for this.
                wake(queue);
                Some(incoming)
            })
            .await
    }

    /// Sends data, waiting until the client has taken most of what was sent before. An empty
    /// `data` sends nothing.
    pub async fn send(&self, data: &[u8]) -> Result<(), StreamClosed> {
        for chunk in data.chunks(STREAM_CHUNK) {
            self.packet(MessageKind::Stream, |queue, header| {
                queue
                    .outbox
                    .append(&header, Vec::new(), |encoder| encoder.raw(chunk))
            })
            .await?;
        }
        Ok(())
    }

    /// Sends a hole of `length` bytes; only to clients that asked for a sparse stream.
    pub async fn send_hole(&self, length: u64) -> Result<(), StreamClosed> {
        let hole = StreamHole {
            // Files are no longer than this.
            length: i64::try_from(length).unwrap_or(i64::MAX),
            flags: 0,
        };
        self.packet(MessageKind::StreamHole, |queue, header| {
            queue
                .outbox
                .append(&header, Vec::new(), |encoder| hole.encode(encoder))
        })
        .await
    }

    /// Says that no more data will come; the client then finishes the stream.
    pub async fn end(&self) -> Result<(), StreamClosed> {
        self.packet(MessageKind::Stream, |queue, header| {
            queue.outbox.append(&header, Vec::new(), |_| Ok(()))
        })
        .await
    }

    /// Confirms the client's [`Incoming::Finish`], waiting for it if it has not been received
    /// yet: everything received is safe now. What else comes before it is dropped.
    pub async fn finish(&self) {
        let asked = |queue: &mut Queue| queue.stream(&self.call).is_none_or(|entry| entry.asked);
        while !asked(&mut self.client.queue()) {
            self.recv().await;
        }
        let mut queue = self.client.queue();
        if queue.remove_stream(&self.call).is_some() {
            queue.append_stream(&self.call, Status::Ok, &());
            wake(&mut queue);
        }
    }

    /// Ends the stream with an error.
    pub fn abort(&self, error: &Error) {
        let mut queue = self.client.queue();
        queue.fail_stream(&self.call, error);
        wake(&mut queue);
    }

    /// Whose stream it is.
    pub fn client(&self) -> &Client {
        &self.client
    }

    async fn packet(
        &self,
        kind: MessageKind,
        append: impl Fn(&mut Queue, Header) -> Result<(), crate::xdr::XdrError>,
    ) -> Result<(), StreamClosed> {
        let header = Header {
            kind,
            ..self.call.stream(Status::Continue)
        };
        self.client
            .until(|queue| {
                let open = match queue.stream(&self.call) {
                    None => return Some(Err(StreamClosed)),
                    Some(entry) => entry.open,
                };
                if !open || queue.outbox.pending() >= ROOM {
                    return None;
                }
                let appended = append(queue, header);
                wake(queue);
                Some(appended.map_err(|_| StreamClosed))
            })
            .await
    }

    /// The call was answered well.
    pub(super) fn open(self, body: Option<Body>) {
        if let Some(entry) = self.client.queue().stream(&self.call) {
            entry.open = true;
        }
        self.client.notify();
        if let Some(Body(body)) = body {
            let stream = Arc::new(self);
            tokio::spawn(async move {
                let served = super::panics::Guarded::new(body(Arc::clone(&stream))).await;
                match served {
                    Ok(Ok(())) => stream.finish().await,
                    Ok(Err(error)) => stream.abort(&error),
                    Err(panic) => stream.abort(&super::panics::error("a stream", &*panic)),
                }
            });
        }
    }

    /// The call failed: there is no stream.
    pub(super) fn never_opened(self) {
        self.client.queue().remove_stream(&self.call);
    }
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        let mut queue = self.client.queue();
        if queue.end == End::Closed {
            return;
        }
        let Some(open) = queue.stream(&self.call).map(|entry| entry.open) else {
            return;
        };
        if !open {
            // The call is answered with an error, and a stream that was not opened has no end.
            queue.remove_stream(&self.call);
            return;
        }
        queue.fail_stream(
            &self.call,
            &Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Streams,
                "the stream was given up",
            ),
        );
        wake(&mut queue);
    }
}

type BodyFuture = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// What serves a stream.
pub(super) struct Body(Box<dyn FnOnce(Arc<ServerStream>) -> BodyFuture + Send>);

impl Body {
    pub(super) fn new<F, Fut>(body: F) -> Self
    where
        F: FnOnce(Arc<ServerStream>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        Self(Box::new(|stream| Box::pin(body(stream))))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}
