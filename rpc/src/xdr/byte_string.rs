//! A C string's bytes, in whatever encoding the other side means.

use super::{Decode, Decoder, Described, Encode, Encoder, STRING_MAX, Shape, XdrError};

/// On the wire a string, here its bytes: what guests print needn't be UTF-8.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByteString(pub Vec<u8>);

impl Encode for ByteString {
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
        out.opaque(&self.0, STRING_MAX)
    }
}

impl Decode for ByteString {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, XdrError> {
        let bytes = input.opaque(STRING_MAX)?;
        match bytes.contains(&0) {
            true => Err(XdrError::NulInString),
            false => Ok(Self(bytes)),
        }
    }
}

impl Described for ByteString {
    const SHAPE: &'static Shape = &Shape::String { max: STRING_MAX };
}
