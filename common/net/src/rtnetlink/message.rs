//! Messages of netlink(7) as bytes, and what the kernel answers.

use std::io;

const NLMSG_ERROR: u16 = 2;

/// Length of a message's header and of `struct ifinfomsg` behind it.
const HEADER: usize = 16;
const LINK: usize = 16;

/// A message, or attributes that go into another one.
pub(super) struct Message(pub(super) Vec<u8>);

impl Message {
    /// Attributes that go into another one.
    pub(super) fn part() -> Self {
        Self(Vec::new())
    }

    pub(super) fn new(kind: u16, flags: u16) -> Self {
        let mut message = Self(Vec::with_capacity(96));
        message.u32(0); // length, known at the end
        message.bytes(&kind.to_ne_bytes());
        message.bytes(&flags.to_ne_bytes());
        message.u32(1); // sequence
        message.u32(0); // port of the kernel
        message
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_ne_bytes());
    }

    /// Values here are a few bytes long, so their length fits.
    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = (value.len() as u16).saturating_add(4);
        self.bytes(&length.to_ne_bytes());
        self.bytes(&kind.to_ne_bytes());
        self.bytes(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// A text, as the kernel ends it.
    pub(super) fn text(&mut self, kind: u16, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() as u32).to_ne_bytes();
        self.0[..4].copy_from_slice(&length);
        self.0
    }
}

fn malformed() -> io::Error {
    io::Error::other("malformed answer from rtnetlink")
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let word = bytes.get(at..at.checked_add(2)?)?;
    word.try_into().ok().map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    word.try_into().ok().map(u32::from_ne_bytes)
}

/// Reads the kernel's acknowledgement.
pub(super) fn acknowledged(answer: &[u8]) -> io::Result<()> {
    if u16_at(answer, 4).ok_or_else(malformed)? != NLMSG_ERROR {
        return Err(malformed());
    }
    match u32_at(answer, HEADER).ok_or_else(malformed)?.cast_signed() {
        0 => Ok(()),
        negative => Err(io::Error::from_raw_os_error(negative.wrapping_neg())),
    }
}

/// The index and the attributes of the link that an answer of type `kind` tells.
pub(super) fn told_link(answer: &[u8], kind: u16) -> io::Result<(u32, Attributes<'_>)> {
    if u16_at(answer, 4).ok_or_else(malformed)? != kind {
        acknowledged(answer)?;
        return Err(malformed());
    }
    let length = u32_at(answer, 0).ok_or_else(malformed)? as usize;
    let message = answer.get(..length).ok_or_else(malformed)?;
    let index = u32_at(message, HEADER + 4).ok_or_else(malformed)?;
    let rest = message.get(HEADER + LINK..).ok_or_else(malformed)?;
    Ok((index, attributes(rest)))
}

/// Kinds and values of attributes.
pub(super) type Attributes<'a> = Vec<(u16, &'a [u8])>;

/// Attributes one after the other, as far as they are whole.
pub(super) fn attributes(mut bytes: &[u8]) -> Attributes<'_> {
    let mut all = Vec::new();
    while let (Some(length), Some(kind)) = (u16_at(bytes, 0), u16_at(bytes, 2)) {
        let length = usize::from(length);
        let Some(value) = bytes.get(4..length) else {
            break;
        };
        all.push((kind, value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_counted() {
        let mut message = Message::new(16, 1);
        message.attribute(1, &[1, 2, 3, 4, 5, 6]);
        let bytes = message.finish();
        assert_eq!(bytes.len(), 16 + 12);
        assert_eq!(bytes[..4], 28u32.to_ne_bytes());
        assert_eq!(bytes[16..18], 10u16.to_ne_bytes());
        assert_eq!(bytes[26..28], [0, 0]);
    }

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let mut part = Message::part();
        part.text(3, "eth0");
        part.attribute(4, &7u32.to_ne_bytes());
        let read = attributes(&part.0);
        assert_eq!(read, [(3, &b"eth0\0"[..]), (4, &7u32.to_ne_bytes()[..])]);
        // One that says it is longer than it is.
        part.bytes(&[200, 0, 1, 0, 5]);
        assert_eq!(attributes(&part.0).len(), 2);
        // One that is shorter than its own header does not go on forever.
        assert_eq!(attributes(&[0; 12]), []);
    }

    #[test]
    fn a_short_answer_is_malformed() {
        assert!(acknowledged(&[0; 18]).is_err());
        assert!(acknowledged(&[]).is_err());
        assert!(told_link(&[0; 18], 16).is_err());
    }
}
