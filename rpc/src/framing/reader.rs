//! Bytes to packets.

use bytes::{Buf, Bytes, BytesMut};

use super::{BODY_MAX, FDS_MAX, FrameError, HEADER_SIZE, Header, LENGTH_SIZE};

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
/// between messages. Behind a message with descriptors come as many dummy bytes, one for each
/// (WIRE.md section 10): the packet is handed out when they have arrived, so that its
/// descriptors, received along with them, are there too.
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
        let Some((length, rest)) = self.buffer.split_first_chunk::<LENGTH_SIZE>() else {
            return Ok(None);
        };
        let length = checked_length(u32::from_be_bytes(*length))?;
        let Some((header, rest)) = rest.split_first_chunk::<HEADER_SIZE>() else {
            return Ok(None);
        };
        let header = Header::from_bytes(header)?;
        let mut nfds = 0;
        let mut payload_at = LENGTH_SIZE + HEADER_SIZE;
        if header.kind.has_fds() {
            payload_at += 4;
            if length < payload_at {
                return Err(FrameError::NoCount);
            }
            let Some(count) = rest.first_chunk() else {
                return Ok(None);
            };
            nfds = u32::from_be_bytes(*count);
            if nfds > FDS_MAX {
                return Err(FrameError::Descriptors(nfds));
            }
        }
        if self.buffer.len() < length + nfds as usize {
            return Ok(None);
        }
        let mut payload = self.buffer.split_to(length).freeze();
        payload.advance(payload_at);
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

fn checked_length(word: u32) -> Result<usize, FrameError> {
    let length = usize::try_from(word).map_err(|_| FrameError::Length(word))?;
    match length.checked_sub(LENGTH_SIZE) {
        Some(body) if (HEADER_SIZE..=BODY_MAX).contains(&body) => Ok(length),
        _ => Err(FrameError::Length(word)),
    }
}
