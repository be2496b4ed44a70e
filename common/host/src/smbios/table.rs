//! The structures of an SMBIOS table (DMTF DSP0134), whose bytes come from the firmware and are
//! trusted with nothing.

/// Structures beyond this number are not read.
const MAX_STRUCTURES: usize = 4096;

/// One structure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Structure<'t> {
    /// What it describes.
    pub kind: u8,
    /// The formatted area, header included.
    area: &'t [u8],
    /// The strings behind it, each ended by a zero byte.
    strings: &'t [u8],
}

impl<'t> Structure<'t> {
    /// The byte at an offset; nothing when the structure, of an older version, ends before.
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.area.get(at).copied()
    }

    /// Two bytes.
    pub fn word(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes::<2>(at)?;
        Some(u16::from_le_bytes(bytes))
    }

    /// Four bytes.
    pub fn double_word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes::<4>(at)?;
        Some(u32::from_le_bytes(bytes))
    }

    /// Some bytes.
    pub fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.area.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    /// The string whose number is at an offset; nothing for none, or an empty one.
    pub fn string(&self, at: usize) -> Option<String> {
        self.numbered(self.byte(at)?)
    }

    /// The string of a number, the first is 1.
    pub fn numbered(&self, number: u8) -> Option<String> {
        let index = usize::from(number).checked_sub(1)?;
        let bytes = self.strings.split(|byte| *byte == 0).nth(index)?;
        // Whatever is not printable ASCII can't be told how to be read.
        let text: String = bytes
            .iter()
            .map(|byte| match byte {
                0x20..=0x7e => char::from(*byte),
                _ => '.',
            })
            .collect();
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// The structures of a table, as far as it is well-formed.
pub(super) fn structures(mut table: &[u8]) -> Vec<Structure<'_>> {
    let mut all = Vec::new();
    while all.len() < MAX_STRUCTURES {
        let &[kind, length, ..] = table else { break };
        let length = usize::from(length);
        if length < 4 || length > table.len() {
            break;
        }
        let (area, rest) = table.split_at(length);
        // The strings end with an empty one; without strings there are two zero bytes.
        let Some(end) = rest.windows(2).position(|pair| pair == [0, 0]) else {
            break;
        };
        all.push(Structure {
            kind,
            area,
            strings: &rest[..end + 1],
        });
        table = &rest[end + 2..];
        if kind == 127 {
            break;
        }
    }
    all
}
