//! Bytes and descriptors on their way out.

use std::cell::Cell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use crate::framing::{self, Header};
use crate::xdr::{Encoder, XdrError};

/// What is to be sent next.
pub(crate) enum Next<'a> {
    /// Nothing waits.
    Nothing,
    /// These bytes, which no descriptor interrupts.
    Bytes(&'a [u8]),
    /// One dummy byte with this descriptor (WIRE.md section 10).
    Descriptor(&'a OwnedFd),
}

/// Whole messages in the order they will be sent.
///
/// Its buffer is borrowed from the thread while something waits, so that a connection with
/// nothing to say holds none.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are whole messages; a panicking encoder may leave more behind.
    committed: usize,
    /// Bytes of `buffer` that were sent.
    sent: usize,
    /// Bytes sent before what is in `buffer`.
    base: u64,
    /// Descriptors, each with the position behind which it is sent.
    descriptors: VecDeque<(u64, OwnedFd)>,
    /// Where each waiting event ends and how long it is.
    events: VecDeque<(u64, usize)>,
    event_bytes: usize,
}

/// Largest buffer that is kept for reuse.
const SPARE_MAX: usize = 64 * 1024;
/// Sent bytes that are worth moving the rest to the front.
const COMPACT_AT: usize = 256 * 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Outbox {
    /// Appends a message; on an error nothing is appended and the descriptors are closed.
    pub(crate) fn append(
        &mut self,
        header: &Header,
        descriptors: Vec<OwnedFd>,
        write: impl FnOnce(&mut Encoder<'_>) -> Result<(), XdrError>,
    ) -> Result<(), XdrError> {
        if self.buffer.capacity() == 0 {
            self.buffer = SPARE.take();
        }
        self.buffer.truncate(self.committed);
        // More descriptors than fit a u32 are more than fit a message, too.
        let count = u32::try_from(descriptors.len()).unwrap_or(u32::MAX);
        framing::append_with(&mut self.buffer, header, count, write)?;
        self.committed = self.buffer.len();
        let end = self.end();
        self.descriptors
            .extend(descriptors.into_iter().map(|descriptor| (end, descriptor)));
        Ok(())
    }

    /// Appends an event, which counts until it was sent.
    pub(crate) fn append_event(
        &mut self,
        header: &Header,
        write: impl FnOnce(&mut Encoder<'_>) -> Result<(), XdrError>,
    ) -> Result<(), XdrError> {
        let before = self.committed;
        self.append(header, Vec::new(), write)?;
        let length = self.committed - before.min(self.committed);
        self.events.push_back((self.end(), length));
        self.event_bytes += length;
        Ok(())
    }

    /// What waits, as bytes for another process to send. Descriptors that wait are closed: none
    /// of the programs whose connections are handed over sends any.
    pub(crate) fn take_unsent(&mut self) -> Vec<u8> {
        let unsent = self.buffer.get(self.sent..self.committed);
        let unsent = unsent.unwrap_or_default().to_vec();
        *self = Self::default();
        unsent
    }

    /// Puts back what [`Self::take_unsent`] gave; it may start within a message.
    pub(crate) fn append_unsent(&mut self, unsent: &[u8]) {
        self.buffer.truncate(self.committed);
        self.buffer.extend_from_slice(unsent);
        self.committed = self.buffer.len();
    }

    /// Bytes that wait.
    pub(crate) fn pending(&self) -> usize {
        self.committed - self.sent
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending() == 0 && self.descriptors.is_empty()
    }

    /// Events that wait, and their bytes.
    pub(crate) fn waiting_events(&self) -> (usize, usize) {
        (self.events.len(), self.event_bytes)
    }

    /// What is to be sent next.
    pub(crate) fn next(&self) -> Next<'_> {
        let position = self.base + self.sent as u64;
        let mut end = self.committed;
        if let Some((behind, descriptor)) = self.descriptors.front() {
            if *behind <= position {
                return Next::Descriptor(descriptor);
            }
            let distance = usize::try_from(behind - position).unwrap_or(usize::MAX);
            end = end.min(self.sent.saturating_add(distance));
        }
        match self.buffer.get(self.sent..end) {
            Some(bytes) if !bytes.is_empty() => Next::Bytes(bytes),
            _ => Next::Nothing,
        }
    }

    /// The first `count` bytes of [`Next::Bytes`] were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.committed);
        let position = self.base + self.sent as u64;
        while let Some(&(end, length)) = self.events.front() {
            if end > position {
                break;
            }
            self.events.pop_front();
            self.event_bytes -= length;
        }
        if self.sent == self.committed {
            self.rest();
        } else if self.sent >= COMPACT_AT && self.sent > self.committed / 2 {
            self.buffer.drain(..self.sent);
            self.base += self.sent as u64;
            self.committed -= self.sent;
            self.sent = 0;
        }
    }

    /// The descriptor of [`Next::Descriptor`] was sent.
    pub(crate) fn descriptor_sent(&mut self) {
        self.descriptors.pop_front();
    }

    fn end(&self) -> u64 {
        self.base + self.committed as u64
    }

    /// Everything was sent: the buffer goes back to the thread.
    fn rest(&mut self) {
        self.base += self.sent as u64;
        self.sent = 0;
        self.committed = 0;
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.capacity() <= SPARE_MAX {
            buffer.clear();
            SPARE.set(buffer);
        }
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }
}
