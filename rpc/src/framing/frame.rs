//! One message at the front of a byte slice.

use super::{BODY_MAX, FDS_MAX, FrameError, HEADER_SIZE, Header, LENGTH_SIZE};

/// A complete message, borrowed from the bytes it arrived in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// Descriptors that came with it.
    pub nfds: u32,
    /// What follows the header and the descriptor count.
    pub payload: &'a [u8],
    /// Bytes it took, the dummy bytes of its descriptors included.
    pub size: usize,
}

impl<'a> Frame<'a> {
    /// The message at the front of `bytes`, if all of it is there.
    ///
    /// Behind a message with descriptors come as many dummy bytes, one for each (WIRE.md section
    /// 10): they belong to it, so that its descriptors, received along with them, are there too.
    pub fn cut(bytes: &'a [u8]) -> Result<Option<Self>, FrameError> {
        let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_SIZE>() else {
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
        let size = length + nfds as usize;
        if bytes.len() < size {
            return Ok(None);
        }
        Ok(bytes.get(payload_at..length).map(|payload| Self {
            header,
            nfds,
            payload,
            size,
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
