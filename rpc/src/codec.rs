//! The programs that only our own daemons speak carry bincode in the same frames.
//!
//! bincode is at 2.0.1, the last release that is a codec: the one published after it contains
//! no code. The format is small, fixed by its specification, and both ends are built together,
//! so the version is pinned rather than followed.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::framing::PAYLOAD_MAX;
use crate::xdr::{Decode, Decoder, Described, Encode, Encoder, Shape, XdrError};

/// A value that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value does not fit or cannot be represented.
    #[error("cannot encode: {0}")]
    Encode(#[from] bincode::error::EncodeError),
    /// The bytes are not the value's form, or claim more than one message may carry.
    #[error("cannot decode: {0}")]
    Decode(#[from] bincode::error::DecodeError),
    /// The encoded value is larger than one message's payload.
    #[error("{size} bytes are more than a message carries ({PAYLOAD_MAX})")]
    TooBig {
        /// Bytes it took.
        size: usize,
    },
}

type Limited = bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<PAYLOAD_MAX>,
>;

const CONFIG: Limited = bincode::config::standard().with_limit::<PAYLOAD_MAX>();

/// The value's form.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::serde::encode_to_vec(value, CONFIG)?;
    match bytes.len() {
        size if size > PAYLOAD_MAX => Err(CodecError::TooBig { size }),
        _ => Ok(bytes),
    }
}

/// The value at the start of `bytes`; what follows it is ignored, as with XDR.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, _) = bincode::serde::decode_from_slice(bytes, CONFIG)?;
    Ok(value)
}

/// A value that travels in bincode, as the one field of a message between our own programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Internal<T>(pub T);

impl<T: Serialize> Encode for Internal<T> {
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
        let bytes = to_bytes(&self.0).map_err(|_| XdrError::TooBig { max: PAYLOAD_MAX })?;
        out.opaque(&bytes, PAYLOAD_MAX)
    }
}

impl<T: DeserializeOwned> Decode for Internal<T> {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, XdrError> {
        let bytes = input.opaque(PAYLOAD_MAX)?;
        from_bytes(&bytes)
            .map(Self)
            .map_err(|_| XdrError::NotBincode)
    }
}

impl<T> Described for Internal<T> {
    const SHAPE: &'static Shape = &Shape::Opaque { max: PAYLOAD_MAX };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back() {
        let value = (7_u32, "text".to_owned(), vec![Some(1_i64), None]);
        let bytes = to_bytes(&value).unwrap();
        assert_eq!(
            from_bytes::<(u32, String, Vec<Option<i64>>)>(&bytes).unwrap(),
            value
        );
    }

    #[test]
    fn a_claimed_length_beyond_the_limit_is_refused_before_it_is_allocated() {
        // The varint form of a length of 2^62, and nothing behind it.
        let mut bytes = vec![253];
        bytes.extend((1_u64 << 62).to_le_bytes());
        assert!(from_bytes::<Vec<u64>>(&bytes).is_err());
        assert!(from_bytes::<String>(&bytes).is_err());
    }
}
