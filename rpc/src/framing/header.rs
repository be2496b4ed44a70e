//! The six words in front of every payload.

use super::{FrameError, HEADER_SIZE};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $unknown:ident {
        $($(#[$value_doc:meta])* $value:ident = $number:literal),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum $name { $($(#[$value_doc])* $value = $number),* }

        impl TryFrom<i32> for $name {
            type Error = FrameError;

            fn try_from(number: i32) -> Result<Self, FrameError> {
                match number {
                    $($number => Ok(Self::$value),)*
                    other => Err(FrameError::$unknown(other)),
                }
            }
        }
    };
}

words! {
    /// What a message is.
    MessageKind, Kind {
        /// Client to server: arguments.
        Call = 0,
        /// Server to client: the result or an error.
        Reply = 1,
        /// An event, unasked for; pings go both ways.
        Message = 2,
        /// Data, end or failure of a stream.
        Stream = 3,
        /// A call with descriptors.
        CallWithFds = 4,
        /// A reply with descriptors.
        ReplyWithFds = 5,
        /// A hole in a stream.
        StreamHole = 6,
    }
}

impl MessageKind {
    /// Whether a descriptor count stands in front of the payload.
    pub const fn has_fds(self) -> bool {
        matches!(self, Self::CallWithFds | Self::ReplyWithFds)
    }
}

words! {
    /// How it went.
    Status, Status {
        /// Well; the end of a stream.
        Ok = 0,
        /// The payload is an error; a stream aborted.
        Error = 1,
        /// More of a stream.
        Continue = 2,
    }
}

/// The header of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Number of the program.
    pub prog: u32,
    /// Version of the program.
    pub vers: u32,
    /// Number of the procedure.
    pub proc: i32,
    /// What the message is.
    pub kind: MessageKind,
    /// Chosen by the client, repeated in the reply and in the call's stream.
    pub serial: u32,
    /// How it went.
    pub status: Status,
}

impl Header {
    /// The reply to this call.
    pub const fn reply(self, status: Status) -> Self {
        Self {
            kind: MessageKind::Reply,
            status,
            ..self
        }
    }

    /// A stream packet of this call.
    pub const fn stream(self, status: Status) -> Self {
        Self {
            kind: MessageKind::Stream,
            status,
            ..self
        }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_SIZE] {
        let words = [
            self.prog,
            self.vers,
            self.proc.cast_unsigned(),
            (self.kind as i32).cast_unsigned(),
            self.serial,
            (self.status as i32).cast_unsigned(),
        ];
        let mut bytes = [0; HEADER_SIZE];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; HEADER_SIZE]) -> Result<Self, FrameError> {
        let mut words = [0_u32; HEADER_SIZE / 4];
        let (chunks, _) = bytes.as_chunks();
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u32::from_be_bytes(*chunk);
        }
        let [prog, vers, proc, kind, serial, status] = words;
        Ok(Self {
            prog,
            vers,
            proc: proc.cast_signed(),
            kind: MessageKind::try_from(kind.cast_signed())?,
            serial,
            status: Status::try_from(status.cast_signed())?,
        })
    }
}
