//! Messages on a byte stream (WIRE.md section 1): bytes in, packets out, no I/O.
//!
//! A message is a length word, a header of six words, for two kinds the number of descriptors,
//! and a payload. Whatever breaks the limits here ends the connection.

mod frame;
mod header;
mod reader;
mod writer;

pub use frame::Frame;
pub use header::{Header, MessageKind, Status};
pub use reader::{Packet, PacketReader};
pub use writer::{append, append_with};

use crate::xdr::Xdr;

/// Bytes of the length word.
pub const LENGTH_SIZE: usize = 4;
/// Bytes of the header behind it.
pub const HEADER_SIZE: usize = 24;
/// Most bytes behind the length word.
pub const BODY_MAX: usize = 33_554_432;
/// Most bytes of payload, the number of descriptors included.
pub const PAYLOAD_MAX: usize = BODY_MAX - HEADER_SIZE;
/// Most descriptors with one message.
pub const FDS_MAX: u32 = 32;
/// Bytes of data a stream packet carries when we send it; receivers take up to the message limit.
pub const STREAM_CHUNK: usize = 262_120;

/// A hole in a sparse stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Xdr)]
pub struct StreamHole {
    /// Bytes skipped.
    pub length: i64,
    /// Always 0.
    pub flags: u32,
}

/// Why a byte stream is not a sequence of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length word outside 28..=33554436.
    #[error("packet of {0} bytes is outside the limits of 28 to 33554436")]
    Length(u32),
    /// A message type that does not exist.
    #[error("unknown message type {0}")]
    Kind(i32),
    /// A status that does not exist.
    #[error("unknown message status {0}")]
    Status(i32),
    /// A message with descriptors that is too short to say how many.
    #[error("packet ends before its number of descriptors")]
    NoCount,
    /// More descriptors than a message may have.
    #[error("{0} descriptors are more than the limit of 32")]
    Descriptors(u32),
}

#[cfg(test)]
mod tests;
