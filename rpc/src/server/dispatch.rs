//! What is done with one message (WIRE.md section 3).

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::asked::Asked;
use super::connection::Connection;
use super::router::{Arrival, Opening};
use super::stream::{self, Entry, Incoming, ServerStream};
use crate::framing::{Frame, Header, MessageKind, Status, StreamHole};
use crate::protocol::{EventMessage, Program, Row, keepalive};
use crate::xdr;

/// Streams one client may have open.
const STREAMS_MAX: usize = 64;

impl<S: Send + Sync + 'static> Connection<S> {
    /// Answers a ping; whether the message was one of the keepalive program.
    pub(super) fn ping(&mut self, frame: &Frame<'_>) -> bool {
        let header = frame.header;
        let ours = header.prog == Program::Keepalive.number()
            && header.vers == Program::VERSION
            && header.kind == MessageKind::Message;
        if ours && header.proc == keepalive::Ping::ROW.number {
            self.send_keepalive(keepalive::Pong::ROW);
        }
        ours
    }

    pub(super) fn send_ping(&mut self) {
        self.send_keepalive(keepalive::Ping::ROW);
    }

    fn send_keepalive(&mut self, row: &Row) {
        let header = Header {
            prog: row.program.number(),
            vers: Program::VERSION,
            proc: row.number,
            kind: MessageKind::Message,
            serial: 0,
            status: Status::Ok,
        };
        let queued = self
            .client
            .queue()
            .outbox
            .append(&header, Vec::new(), |_| Ok(()));
        if let Err(error) = queued {
            tracing::error!("{} cannot be encoded: {error}", row.name);
        }
    }

    /// Does with a message what it asks for.
    pub(super) fn message(&mut self, frame: &Frame<'_>, descriptors: Vec<OwnedFd>) {
        match frame.header.kind {
            MessageKind::Call | MessageKind::CallWithFds => self.call(frame, descriptors),
            MessageKind::Stream | MessageKind::StreamHole => {
                if let Some(incoming) = incoming(frame) {
                    self.client.stream_packet(&frame.header, incoming);
                }
            }
            // Nobody waits for these here.
            MessageKind::Reply | MessageKind::ReplyWithFds | MessageKind::Message => {}
        }
    }

    fn call(&mut self, frame: &Frame<'_>, descriptors: Vec<OwnedFd>) {
        let asked = Asked::now(frame.header);
        // Whatever is told from here on is told of this call; tasks of its own take the span along.
        let span = asked.span(self.client.id());
        let _inside = span.enter();
        if let Err(error) = self.run(frame, asked, descriptors) {
            self.client.reply_error(asked, &error);
        }
    }

    /// The checks in their order, then the handler; an error has not been answered yet.
    fn run(&mut self, frame: &Frame<'_>, asked: Asked, descriptors: Vec<OwnedFd>) -> Result<()> {
        let header = frame.header;
        let row = self.row(&header)?;
        if !row.pre_auth && !self.client.is_authenticated() {
            return Err(rpc(format!(
                "{} needs authentication first (AUTH_LIST tells how)",
                row.name
            )));
        }
        if self.builtin(row, frame, asked)? {
            return Ok(());
        }
        self.open_if_unasked(row)?;
        let session = self.session.as_ref().ok_or_else(super::builtin::not_open)?;
        let stream = match row.stream {
            None => None,
            Some(_) => Some(self.open_stream(&header)?),
        };
        self.server.router.run(
            row,
            Arrival {
                session,
                client: &self.client,
                asked,
                payload: frame.payload,
                descriptors,
                stream,
                may_come_again: self.server.router.calls_come_again(),
            },
        );
        Ok(())
    }

    fn row(&self, header: &Header) -> Result<&'static Row> {
        let program = Program::from_number(header.prog)
            .filter(|program| {
                header.vers == Program::VERSION && self.server.router.serves(*program)
            })
            .ok_or_else(|| {
                rpc(format!(
                    "unknown program {:#010x} version {}: this socket does not serve it",
                    header.prog, header.vers
                ))
            })?;
        if header.status != Status::Ok {
            return Err(rpc(format!(
                "a call must have status 0, not {}",
                header.status as i32
            )));
        }
        program
            .callable(header.proc)
            .ok_or_else(|| rpc(format!("unknown procedure: {}", header.proc)))
    }

    /// Programs without an opening call open at their first one.
    fn open_if_unasked(&mut self, row: &Row) -> Result<()> {
        let unasked = matches!(
            row.program,
            Program::Lock
                | Program::Leases
                | Program::Decisions
                | Program::Log
                | Program::LxcMonitor
                | Program::Records
        );
        if unasked && self.session.is_none() {
            self.open_session(None, false)?;
        }
        Ok(())
    }

    /// Lets the driver make its session.
    pub(super) fn open_session(&mut self, uri: Option<&str>, readonly: bool) -> Result<()> {
        let opening = Opening {
            uri: uri.filter(|uri| !uri.is_empty()),
            readonly: readonly || self.client.is_readonly(),
        };
        let session = self.server.router.open(&self.client, &opening)?;
        if opening.readonly {
            self.client.make_readonly();
        }
        self.session = Some(Arc::new(session));
        Ok(())
    }

    fn open_stream(&self, header: &Header) -> Result<ServerStream> {
        let mut queue = self.client.queue();
        if queue.stream(header).is_some() {
            return Err(rpc(format!(
                "serial {} has a stream of this procedure already",
                header.serial
            )));
        }
        if queue.streams.len() >= STREAMS_MAX {
            return Err(Error::new(
                ErrorCode::ResourceBusy,
                ErrorDomain::Streams,
                format!("{STREAMS_MAX} streams are open already; close one first"),
            ));
        }
        queue.streams.push(Entry::new(*header));
        Ok(ServerStream::new(self.client.clone(), *header))
    }
}

/// What a packet of a stream says; none if it says nothing a client may say.
fn incoming(frame: &Frame<'_>) -> Option<Incoming> {
    if frame.header.kind == MessageKind::StreamHole {
        let hole: StreamHole = xdr::from_bytes(frame.payload).ok()?;
        return u64::try_from(hole.length).ok().map(Incoming::Hole);
    }
    if stream::is_abort(&frame.header) {
        return Some(Incoming::Abort);
    }
    match frame.header.status {
        Status::Ok => Some(Incoming::Finish),
        _ => Some(Incoming::Data(Bytes::copy_from_slice(frame.payload))),
    }
}

/// An RPC error.
pub(super) fn rpc(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::Rpc, ErrorDomain::Rpc, detail)
}
