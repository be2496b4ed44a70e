//! What a connection's task and its users share.

use std::collections::HashMap;
use std::task::Waker;

use tokio::sync::{mpsc, oneshot};
use virt_error::{Error, Result};

use super::connection::Event;
use super::stream::Entry;
use crate::framing::Header;
use crate::link::Outbox;
use crate::server::RawReply;

/// A call that waits for its reply.
#[derive(Debug)]
pub(super) struct Waiting {
    pub call: Header,
    /// Nobody may wait any more.
    pub reply: oneshot::Sender<Result<RawReply>>,
}

#[derive(Debug)]
pub(super) struct Queue {
    pub outbox: Outbox,
    pub waker: Option<Waker>,
    pub next_serial: u32,
    pub waiting: HashMap<u32, Waiting>,
    pub streams: Vec<Entry>,
    pub events: Option<mpsc::Sender<Event>>,
    /// Why the connection is over.
    pub end: Option<Error>,
    /// It ends when everything queued was sent.
    pub closing: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            outbox: Outbox::default(),
            waker: None,
            next_serial: 0,
            waiting: HashMap::new(),
            streams: Vec::new(),
            events: None,
            end: None,
            closing: false,
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Ends everything that waits.
    pub(super) fn end(&mut self, error: Error) {
        if self.end.is_some() {
            return;
        }
        for (_, waiting) in self.waiting.drain() {
            // Whoever gave up waiting needs no answer.
            let _ = waiting.reply.send(Err(error.clone()));
        }
        for stream in &mut self.streams {
            stream.fail(error.clone());
        }
        self.events = None;
        self.end = Some(error);
        self.wake();
    }

    /// A reply came; false when no call waits for it.
    pub(super) fn reply(&mut self, header: &Header, reply: Result<RawReply>) -> bool {
        let ours = self.waiting.get(&header.serial).is_some_and(|waiting| {
            (waiting.call.prog, waiting.call.vers, waiting.call.proc)
                == (header.prog, header.vers, header.proc)
        });
        if !ours {
            return false;
        }
        if let Some(waiting) = self.waiting.remove(&header.serial) {
            if reply.is_err() {
                self.streams.retain(|stream| !stream.is_of(header));
            }
            let _ = waiting.reply.send(reply);
        }
        true
    }
}
