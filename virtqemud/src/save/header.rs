//! The head of a save image (WIRE.md section 27): what it is, who it is of, and room for changing
//! that. Numbers are in the host's byte order; images of the other order are read too. Pure.

use super::Format;

/// Bytes before the data.
pub const LENGTH: usize = 92;

/// Room behind the documents, so that an edited one can be longer.
const SPARE: usize = 65_536;

/// No image has longer documents; what is longer is none.
const MAX_DATA: u32 = 64 << 20;

const VERSION: u32 = 2;
const COMPLETE: &[u8; 16] = b"LibvirtQemudSave";
const PARTIAL: &[u8; 16] = b"LibvirtQemudPart";

/// The head of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whether everything was written.
    pub complete: bool,
    /// Bytes between the head and QEMU's stream.
    pub data_len: u32,
    /// Whether the guest's processors ran when it was saved.
    pub was_running: bool,
    /// How QEMU's stream is packed.
    pub format: Format,
    /// Where the cookie begins in the data; 0 = there is none.
    pub cookie_offset: u32,
}

/// Why a file is no image that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It does not begin like one.
    #[error("image magic is incorrect")]
    Magic,
    /// It is of a later libvirt.
    #[error("image version is not supported ({0} > {VERSION})")]
    Version(u32),
    /// It is packed in an unknown way.
    #[error("Invalid compressed save format {0}")]
    Format(u32),
    /// Its lengths make no sense.
    #[error("invalid header data length: {0}")]
    Length(u32),
    /// Its documents are no text.
    #[error("the document in the image is no text")]
    Text,
}

impl Header {
    /// Reads a head.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn read(bytes: &[u8; LENGTH]) -> Result<Self, Unusable> {
        let magic = &bytes[..16];
        let complete = match magic {
            magic if magic == COMPLETE => true,
            magic if magic == PARTIAL => false,
            _ => return Err(Unusable::Magic),
        };
        let raw = |place: usize| {
            let at = 16 + 4 * place;
            [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
        };
        // A version that is only sensible with its bytes turned round is of the other order.
        let native = u32::from_ne_bytes(raw(0));
        let turned = native > VERSION && native.swap_bytes() <= VERSION;
        let number = |place: usize| match turned {
            true => u32::from_ne_bytes(raw(place)).swap_bytes(),
            false => u32::from_ne_bytes(raw(place)),
        };
        let version = number(0);
        if version > VERSION {
            return Err(Unusable::Version(version));
        }
        let (data_len, cookie_offset) = (number(1), number(4));
        if data_len == 0 || data_len > MAX_DATA || cookie_offset >= data_len {
            return Err(Unusable::Length(data_len));
        }
        Ok(Self {
            complete,
            data_len,
            was_running: number(2) != 0,
            format: Format::of_number(number(3)).ok_or(Unusable::Format(number(3)))?,
            cookie_offset,
        })
    }

    /// The head as bytes.
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..16].copy_from_slice(if self.complete { COMPLETE } else { PARTIAL });
        let numbers = [
            VERSION,
            self.data_len,
            u32::from(self.was_running),
            self.format.number(),
            self.cookie_offset,
        ];
        for (place, number) in numbers.iter().enumerate() {
            let at = 16 + 4 * place;
            bytes[at..at + 4].copy_from_slice(&number.to_ne_bytes());
        }
        bytes
    }
}

/// The documents of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    /// The guest's definition.
    pub xml: String,
    /// What the source's driver adds.
    pub cookie: Option<String>,
}

impl Documents {
    /// Reads the data behind a head.
    ///
    /// # Errors
    /// [`Unusable::Text`].
    pub fn read(header: &Header, data: &[u8]) -> Result<Self, Unusable> {
        let text = |bytes: &[u8]| {
            let end = bytes
                .iter()
                .position(|byte| *byte == 0)
                .ok_or(Unusable::Text)?;
            String::from_utf8(bytes[..end].to_vec()).map_err(|_| Unusable::Text)
        };
        let cookie = usize::try_from(header.cookie_offset).unwrap_or(0);
        Ok(Self {
            xml: text(data)?,
            cookie: match cookie {
                0 => None,
                at => Some(text(data.get(at..).unwrap_or_default())?),
            },
        })
    }

    /// The data of a new image and where the cookie begins in it.
    pub fn to_data(&self) -> (Vec<u8>, u32) {
        let mut data = self.text();
        let offset = self.cookie_offset();
        data.resize(data.len() + SPARE, 0);
        (data, offset)
    }

    /// The data in the room that an image has; `None` when it does not fit.
    pub fn to_data_within(&self, length: u32) -> Option<(Vec<u8>, u32)> {
        let length = usize::try_from(length).ok()?;
        let mut data = self.text();
        if data.len() > length {
            return None;
        }
        data.resize(length, 0);
        Some((data, self.cookie_offset()))
    }

    fn text(&self) -> Vec<u8> {
        let mut data = self.xml.clone().into_bytes();
        data.push(0);
        if let Some(cookie) = &self.cookie {
            data.extend_from_slice(cookie.as_bytes());
            data.push(0);
        }
        data
    }

    fn cookie_offset(&self) -> u32 {
        // Documents are bounded far below this.
        let after = u32::try_from(self.xml.len() + 1).unwrap_or(u32::MAX);
        self.cookie.as_ref().map_or(0, |_| after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn documents() -> Documents {
        Documents {
            xml: "<domain/>".to_owned(),
            cookie: Some("<cookie/>".to_owned()),
        }
    }

    fn header(data: &[u8], cookie_offset: u32) -> Header {
        Header {
            complete: true,
            data_len: u32::try_from(data.len()).unwrap(),
            was_running: true,
            format: Format::Gzip,
            cookie_offset,
        }
    }

    #[test]
    fn an_image_is_read_as_it_was_written() {
        let (data, offset) = documents().to_data();
        let head = header(&data, offset);
        let bytes = head.to_bytes();
        assert_eq!(&bytes[..20], b"LibvirtQemudSave\x02\0\0\0");
        assert_eq!(Header::read(&bytes), Ok(head.clone()));
        assert_eq!(Documents::read(&head, &data), Ok(documents()));
    }

    #[test]
    fn the_other_byte_order_is_understood() {
        let (data, offset) = documents().to_data();
        let head = header(&data, offset);
        let mut bytes = head.to_bytes();
        for word in bytes[16..].chunks_mut(4) {
            word.reverse();
        }
        assert_eq!(Header::read(&bytes), Ok(head));
    }

    #[test]
    fn an_edited_document_stays_within_its_room() {
        let longer = Documents {
            xml: "<domain>longer</domain>".to_owned(),
            ..documents()
        };
        let (data, _) = documents().to_data();
        let room = u32::try_from(data.len()).unwrap();
        let (edited, offset) = longer.to_data_within(room).unwrap();
        assert_eq!(edited.len(), data.len());
        let head = header(&edited, offset);
        assert_eq!(Documents::read(&head, &edited), Ok(longer.clone()));
        assert_eq!(longer.to_data_within(20), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_head_or_an_error(mut bytes in proptest::array::uniform32(any::<u8>()), rest in any::<u8>()) {
            bytes[..16].copy_from_slice(COMPLETE);
            let mut head = [rest; LENGTH];
            head[..32].copy_from_slice(&bytes);
            if let Ok(header) = Header::read(&head) {
                prop_assert!(header.data_len <= MAX_DATA);
                let _ = Documents::read(&header, &bytes);
            }
        }
    }
}
