//! Bytes to packets.

use bytes::{Buf, Bytes, BytesMut};

use super::{Frame, FrameError, Header};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its header.
    pub header: Header,
    /// Descriptors that came with it.
    pub nfds: u32,
    /// What follows the header and the descriptor count.
    pub payload: Bytes,
}

/// Cuts a stream of bytes, pushed in pieces of any size, into packets.
///
/// It holds no more than the bytes that arrived (its buffer at most doubles), and nothing at all
/// between messages.
#[derive(Debug, Default)]
pub struct PacketReader {
    buffer: BytesMut,
    failed: Option<FrameError>,
}

impl PacketReader {
    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes held that no packet was made of yet.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The next complete packet. After an error the stream has no further meaning: every later
    /// call gives the same error.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let packet = self.cut();
        if let Err(error) = packet {
            self.failed = Some(error);
            self.buffer = BytesMut::new();
        }
        packet
    }

    fn cut(&mut self) -> Result<Option<Packet>, FrameError> {
        let Some(frame) = Frame::cut(&self.buffer)? else {
            return Ok(None);
        };
        let (header, nfds, size) = (frame.header, frame.nfds, frame.size);
        let length = frame.payload.len();
        let mut payload = self.buffer.split_to(size - nfds as usize).freeze();
        payload.advance(payload.len() - length);
        self.buffer.advance(nfds as usize);
        if self.buffer.is_empty() {
            // Let go of the allocation: idle connections hold none.
            self.buffer = BytesMut::new();
        }
        Ok(Some(Packet {
            header,
            nfds,
            payload,
        }))
    }
}
