//! Values to bytes.

use super::XdrError;
use crate::framing::PAYLOAD_MAX;

/// A value with an XDR form.
pub trait Encode {
    /// Appends the value; fails when a bound is exceeded.
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError>;
}

/// Appends XDR to a buffer, up to one message's payload.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    end: usize,
}

impl<'a> Encoder<'a> {
    /// Appends to what `out` holds already.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        let end = out.len() + PAYLOAD_MAX;
        Self { out, end }
    }

    /// A signed 32-bit number.
    #[inline]
    pub fn int(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// An unsigned 32-bit number.
    #[inline]
    pub fn unsigned(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// An unsigned 64-bit number.
    #[inline]
    pub fn uhyper(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// A string of at most `max` bytes.
    #[inline]
    pub fn string(&mut self, value: &str, max: usize) -> Result<(), XdrError> {
        self.opaque(value.as_bytes(), max)
    }

    /// At most `max` bytes, packed.
    #[inline]
    pub fn opaque(&mut self, value: &[u8], max: usize) -> Result<(), XdrError> {
        self.length(value.len(), max)?;
        self.fixed_opaque(value)
    }

    /// Bytes whose number both sides know, packed.
    #[inline]
    pub fn fixed_opaque(&mut self, value: &[u8]) -> Result<(), XdrError> {
        self.room(value.len())?;
        self.out.extend_from_slice(value);
        let padding = value.len().wrapping_neg() % 4;
        self.out.extend_from_slice(&[0; 3][..padding]);
        Ok(())
    }

    /// Bytes as they are, without padding: an already encoded payload, a stream's data.
    pub fn raw(&mut self, value: &[u8]) -> Result<(), XdrError> {
        self.room(value.len())?;
        self.out.extend_from_slice(value);
        Ok(())
    }

    /// At most `max` bytes, each as a `char` of four bytes.
    pub fn chars(&mut self, value: &[u8], max: usize) -> Result<(), XdrError> {
        self.length(value.len(), max)?;
        self.fixed_chars(value)
    }

    /// Bytes whose number both sides know, each as a `char` of four bytes.
    pub fn fixed_chars(&mut self, value: &[u8]) -> Result<(), XdrError> {
        self.room(value.len().saturating_mul(4))?;
        for byte in value {
            self.int(i32::from(byte.cast_signed()));
        }
        Ok(())
    }

    /// At most `max` elements.
    pub fn array<T: Encode>(&mut self, items: &[T], max: usize) -> Result<(), XdrError> {
        self.length(items.len(), max)?;
        for item in items {
            item.encode(self)?;
            self.room(0)?;
        }
        Ok(())
    }

    #[inline]
    fn length(&mut self, length: usize, max: usize) -> Result<(), XdrError> {
        let too_long = XdrError::TooLong { length, max };
        let count = u32::try_from(length).map_err(|_| too_long)?;
        if length > max {
            return Err(too_long);
        }
        self.unsigned(count);
        Ok(())
    }

    #[inline]
    fn room(&self, more: usize) -> Result<(), XdrError> {
        if self.out.len().saturating_add(more) > self.end {
            return Err(XdrError::TooBig { max: PAYLOAD_MAX });
        }
        Ok(())
    }
}

macro_rules! as_int {
    ($($ty:ty)*) => {$(
        impl Encode for $ty {
            #[inline]
            fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
                out.int(i32::from(*self));
                Ok(())
            }
        }
    )*};
}
as_int!(i32 i8 u8 u16 bool);

impl Encode for () {
    fn encode(&self, _: &mut Encoder<'_>) -> Result<(), XdrError> {
        Ok(())
    }
}

impl Encode for u32 {
    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
        out.unsigned(*self);
        Ok(())
    }
}

impl Encode for i64 {
    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
        out.uhyper(self.cast_unsigned());
        Ok(())
    }
}

impl Encode for u64 {
    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
        out.uhyper(*self);
        Ok(())
    }
}

impl Encode for f64 {
    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
        out.uhyper(self.to_bits());
        Ok(())
    }
}

impl Encode for String {
    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
        out.string(self, super::STRING_MAX)
    }
}

impl<const N: usize> Encode for [u8; N] {
    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
        out.fixed_opaque(self)
    }
}

impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn encode(&self, out: &mut Encoder<'_>) -> Result<(), XdrError> {
        match self {
            None => out.int(0),
            Some(value) => {
                out.int(1);
                value.encode(out)?;
            }
        }
        Ok(())
    }
}
