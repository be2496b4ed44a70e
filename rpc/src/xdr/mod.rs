//! XDR as libvirt uses it: big-endian, everything padded to four bytes (WIRE.md section 2).
//!
//! A type says its form once, with `#[derive(Xdr)]`; encoding appends to one buffer, decoding
//! checks every length against its bound and against the bytes that are there before it
//! allocates. Bytes after the decoded value are accepted.

mod byte_string;
mod decode;
mod encode;
mod shape;

pub use byte_string::ByteString;
pub use decode::{Decode, Decoder};
pub use encode::{Encode, Encoder};
pub use shape::{Arm, Described, Field, Shape};
pub use virt_rpc_derive::Xdr;

/// The longest string, in bytes, unless a field says otherwise (WIRE.md section 1).
pub const STRING_MAX: usize = 4_194_304;

/// Why a value cannot be encoded, or bytes cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XdrError {
    /// The message ends inside a value.
    #[error("{needed} more bytes are needed where {remaining} remain")]
    Truncated {
        /// Bytes the value takes at least.
        needed: usize,
        /// Bytes left in the message.
        remaining: usize,
    },
    /// A string, list or buffer above its bound.
    #[error("length {length} is above the limit of {max}")]
    TooLong {
        /// Length found.
        length: usize,
        /// Length allowed.
        max: usize,
    },
    /// The encoded value does not fit into one message.
    #[error("the message is larger than the limit of {max} bytes")]
    TooBig {
        /// Bytes a message's payload may have.
        max: usize,
    },
    /// A string that is not UTF-8.
    #[error("a string is not valid UTF-8")]
    NotUtf8,
    /// A string with a NUL byte inside, which C programs would cut there.
    #[error("a string contains a NUL byte")]
    NulInString,
    /// A union's discriminant without an arm.
    #[error("unknown union discriminant {0}")]
    UnknownCase(i32),
    /// A value of our own programs that is not the bincode it should be.
    #[error("a value is not in the form that this version of our programs writes")]
    NotBincode,
}

/// The XDR form of `value`.
pub fn to_bytes<T: Encode + ?Sized>(value: &T) -> Result<Vec<u8>, XdrError> {
    let mut bytes = Vec::new();
    value.encode(&mut Encoder::new(&mut bytes))?;
    Ok(bytes)
}

/// The value at the start of `bytes`; what follows it is ignored.
pub fn from_bytes<T: Decode>(bytes: &[u8]) -> Result<T, XdrError> {
    T::decode(&mut Decoder::new(bytes))
}

#[cfg(test)]
mod tests;
