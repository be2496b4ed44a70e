//! What is around the state: enough to refuse what is not ours, not whole, or from a later version,
//! before a byte of it is decoded.

use sha2::{Digest, Sha256};

/// The first bytes of what is handed over.
const MAGIC: &[u8; 16] = b"virt handover\n\0\0";
/// Bytes of magic, version, process and digest.
const HEAD: usize = 16 + 4 + 4 + 32;

/// The state of one process, in one version of its form.
pub(super) struct Envelope<'a> {
    pub version: u32,
    pub pid: u32,
    pub body: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + self.body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&self.pid.to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(self.body));
        bytes.extend_from_slice(self.body);
        bytes
    }

    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let not_ours = || "this is no state of one of these daemons".to_owned();
        let (magic, rest) = bytes.split_first_chunk().ok_or_else(not_ours)?;
        if magic != MAGIC {
            return Err(not_ours());
        }
        let (version, rest) = rest.split_first_chunk().ok_or_else(not_ours)?;
        let (pid, rest) = rest.split_first_chunk().ok_or_else(not_ours)?;
        let (digest, body) = rest.split_first_chunk::<32>().ok_or_else(not_ours)?;
        if digest[..] != Sha256::digest(body)[..] {
            return Err("the state is not what was written: its digest differs".to_owned());
        }
        Ok(Self {
            version: u32::from_le_bytes(*version),
            pid: u32::from_le_bytes(*pid),
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_refused() {
        let written = Envelope {
            version: 3,
            pid: 7,
            body: b"state",
        }
        .to_bytes();
        let read = Envelope::read(&written).unwrap();
        assert_eq!((read.version, read.pid, read.body), (3, 7, &b"state"[..]));
        for place in 0..written.len() {
            let mut broken = written.clone();
            broken[place] ^= 1;
            let read = Envelope::read(&broken);
            // The version and the process are checked by who reads them.
            assert_eq!(read.is_err(), !(16..24).contains(&place), "byte {place}");
            assert!(Envelope::read(&written[..place]).is_err());
        }
    }
}
