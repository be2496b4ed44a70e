//! Bytes to values.

use super::XdrError;

/// A value that can be read from its XDR form.
pub trait Decode: Sized {
    /// Takes the value from the front of `input`.
    fn decode(input: &mut Decoder<'_>) -> Result<Self, XdrError>;
}

/// Reads XDR from the front of a byte slice.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    input: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Reads from the start of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.input.len()
    }

    /// A signed 32-bit number.
    #[inline]
    pub fn int(&mut self) -> Result<i32, XdrError> {
        Ok(i32::from_be_bytes(self.bytes()?))
    }

    /// An unsigned 32-bit number.
    #[inline]
    pub fn unsigned(&mut self) -> Result<u32, XdrError> {
        Ok(u32::from_be_bytes(self.bytes()?))
    }

    /// An unsigned 64-bit number.
    #[inline]
    pub fn uhyper(&mut self) -> Result<u64, XdrError> {
        Ok(u64::from_be_bytes(self.bytes()?))
    }

    /// A string of at most `max` bytes.
    pub fn string(&mut self, max: usize) -> Result<String, XdrError> {
        let length = self.length(max)?;
        let text = std::str::from_utf8(self.padded(length)?).map_err(|_| XdrError::NotUtf8)?;
        if text.contains('\0') {
            return Err(XdrError::NulInString);
        }
        Ok(text.to_owned())
    }

    /// At most `max` packed bytes.
    pub fn opaque(&mut self, max: usize) -> Result<Vec<u8>, XdrError> {
        let length = self.length(max)?;
        Ok(self.padded(length)?.to_vec())
    }

    /// At most `max` bytes that came as a `char` of four bytes each.
    pub fn chars(&mut self, max: usize) -> Result<Vec<u8>, XdrError> {
        let length = self.length(max)?;
        let bytes = self.take(length.saturating_mul(4))?;
        // A char's value is the low byte of its big-endian int.
        Ok(bytes.iter().skip(3).step_by(4).copied().collect())
    }

    /// Exactly `N` bytes that came as a `char` of four bytes each.
    pub fn fixed_chars<const N: usize>(&mut self) -> Result<[u8; N], XdrError> {
        let mut chars = [0; N];
        for char in &mut chars {
            [_, _, _, *char] = self.bytes()?;
        }
        Ok(chars)
    }

    /// At most `max` elements.
    pub fn array<T: Decode>(&mut self, max: usize) -> Result<Vec<T>, XdrError> {
        let length = self.length(max)?;
        // Every element takes four bytes at least.
        let needed = length.saturating_mul(4);
        if needed > self.remaining() {
            return Err(XdrError::Truncated {
                needed,
                remaining: self.remaining(),
            });
        }
        // What is reserved ahead never exceeds what has arrived, however large the elements are.
        let ahead = self.remaining() / size_of::<T>().max(1);
        let mut items = Vec::with_capacity(length.min(ahead));
        for _ in 0..length {
            items.push(T::decode(self)?);
        }
        Ok(items)
    }

    #[inline]
    fn length(&mut self, max: usize) -> Result<usize, XdrError> {
        let length = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
        if length > max {
            return Err(XdrError::TooLong { length, max });
        }
        Ok(length)
    }

    #[inline]
    fn padded(&mut self, length: usize) -> Result<&'a [u8], XdrError> {
        let bytes = self.take(length)?;
        self.take(length.wrapping_neg() % 4)?;
        Ok(bytes)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], XdrError> {
        let (taken, rest) = self
            .input
            .split_at_checked(length)
            .ok_or(XdrError::Truncated {
                needed: length,
                remaining: self.input.len(),
            })?;
        self.input = rest;
        Ok(taken)
    }

    #[inline]
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], XdrError> {
        let (taken, rest) = self.input.split_first_chunk().ok_or(XdrError::Truncated {
            needed: N,
            remaining: self.input.len(),
        })?;
        self.input = rest;
        Ok(*taken)
    }
}

macro_rules! decode {
    ($($ty:ty = |$input:ident| $body:expr;)*) => {
        $(impl Decode for $ty {
            #[inline]
            fn decode($input: &mut Decoder<'_>) -> Result<Self, XdrError> {
                Ok($body)
            }
        })*
    };
}

// The small integers are cut from an int as C's decoders do.
decode! {
    i32 = |input| input.int()?;
    u32 = |input| input.unsigned()?;
    i64 = |input| input.uhyper()?.cast_signed();
    u64 = |input| input.uhyper()?;
    f64 = |input| f64::from_bits(input.uhyper()?);
    i8 = |input| input.int()? as i8;
    u8 = |input| input.int()? as u8;
    u16 = |input| input.int()? as u16;
    bool = |input| input.int()? != 0;
    String = |input| input.string(super::STRING_MAX)?;
}

impl Decode for () {
    fn decode(_: &mut Decoder<'_>) -> Result<Self, XdrError> {
        Ok(())
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, XdrError> {
        let bytes = input.bytes()?;
        input.take(N.wrapping_neg() % 4)?;
        Ok(bytes)
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, XdrError> {
        match input.int()? {
            0 => Ok(None),
            _ => T::decode(input).map(Some),
        }
    }
}
