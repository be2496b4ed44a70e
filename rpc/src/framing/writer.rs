//! Packets to bytes.

use super::{FDS_MAX, HEADER_SIZE, Header, LENGTH_SIZE, PAYLOAD_MAX};
use crate::xdr::{Encoder, XdrError};

/// Appends a whole message to `out`; `nfds` is written for the kinds that carry descriptors.
pub fn append(
    out: &mut Vec<u8>,
    header: &Header,
    nfds: u32,
    payload: &[u8],
) -> Result<(), XdrError> {
    append_with(out, header, nfds, |encoder| encoder.raw(payload))
}

/// Appends a whole message whose payload `write` encodes in place; on an error `out` is as before.
pub fn append_with(
    out: &mut Vec<u8>,
    header: &Header,
    nfds: u32,
    write: impl FnOnce(&mut Encoder<'_>) -> Result<(), XdrError>,
) -> Result<(), XdrError> {
    let start = out.len();
    let appended = append_unchecked(out, header, nfds, write);
    if appended.is_err() {
        out.truncate(start);
    }
    appended
}

fn append_unchecked(
    out: &mut Vec<u8>,
    header: &Header,
    nfds: u32,
    write: impl FnOnce(&mut Encoder<'_>) -> Result<(), XdrError>,
) -> Result<(), XdrError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_SIZE]);
    out.extend_from_slice(&header.to_bytes());
    let mut encoder = Encoder::new(out);
    if header.kind.has_fds() {
        if nfds > FDS_MAX {
            return Err(XdrError::TooLong {
                length: nfds as usize,
                max: FDS_MAX as usize,
            });
        }
        encoder.unsigned(nfds);
    }
    write(&mut encoder)?;
    let too_big = XdrError::TooBig { max: PAYLOAD_MAX };
    let length = out.len() - start;
    if length > LENGTH_SIZE + HEADER_SIZE + PAYLOAD_MAX {
        return Err(too_big);
    }
    let word = u32::try_from(length).map_err(|_| too_big)?;
    if let Some(place) = out.get_mut(start..start + LENGTH_SIZE) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    Ok(())
}
