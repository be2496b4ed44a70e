//! What an image file says of itself: format, size, what it is based upon. Pure: bytes in, facts
//! out; whatever the bytes are, nothing outside them is read and nothing is allocated beyond their
//! length.
//!
//! Facts: QEMU's docs/interop (qcow2, qed), the published descriptions of VMDK, VDI, VHDX, VPC and
//! LUKS.

use virt_domain::devices::storage::StorageFormat;

/// Bytes of the start of a file that [`inspect`] wants to see; less if the file is shorter.
pub const HEAD_LEN: usize = 128 * 1024;

/// Longest name of a backing image, as QEMU limits it.
const MAX_NAME: usize = 1023;

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its format.
    pub format: StorageFormat,
    /// Bytes that the guest sees; nothing when the image does not say.
    pub capacity: Option<u64>,
    /// What it is based upon.
    pub backing: Option<BackingRef>,
    /// Name of the file that holds its data.
    pub data_file: Option<String>,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

/// An image's reference to the one below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackingRef {
    /// A path, an address or `json:{…}`.
    pub name: String,
    /// The format the image says the other one has.
    pub format: Option<String>,
}

/// Why an image can't be read as what it is said to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The magic number is another one.
    #[error("Image is not in {0} format")]
    NotThatFormat(StorageFormat),
    /// A version that is not known.
    #[error("unsupported {0} version {1}")]
    Version(StorageFormat, u32),
    /// A part lies outside of what it may.
    #[error("{0} of the {1} image is out of bounds")]
    Bounds(&'static str, StorageFormat),
    /// A name that is no text.
    #[error("{0} of the {1} image is not valid UTF-8")]
    Text(&'static str, StorageFormat),
}

/// The format of a file by its first bytes; raw when there is nothing that says otherwise.
///
/// Never use it where the guest could have written the bytes: a raw disk that starts like a qcow2
/// image would make the host read whatever file it names.
pub fn probe(head: &[u8]) -> StorageFormat {
    use StorageFormat as F;
    match head {
        [b'Q', b'F', b'I', 0xfb, 0, 0, 0, 1, ..] => F::Qcow,
        [b'Q', b'F', b'I', 0xfb, ..] => F::Qcow2,
        [b'Q', b'E', b'D', 0, ..] => F::Qed,
        [b'K', b'D', b'M', b'V', ..] | [b'C', b'O', b'W', b'D', ..] => F::Vmdk,
        _ if head.starts_with(b"# Disk DescriptorFile") => F::Vmdk,
        _ if head.starts_with(b"LUKS\xba\xbe") => F::Luks,
        _ if head.starts_with(b"conectix") => F::Vpc,
        _ if head.starts_with(b"vhdxfile") => F::Vhd,
        _ if le32(head, 0x40) == Some(0xbeda_107f) => F::Vdi,
        _ => F::Raw,
    }
}

/// Reads `head`, the first [`HEAD_LEN`] bytes of a file of `len` bytes, as an image of that format.
///
/// # Errors
/// See [`Broken`].
pub fn inspect(format: StorageFormat, head: &[u8], len: u64) -> Result<ImageFacts, Broken> {
    use StorageFormat as F;
    let facts = |capacity| ImageFacts {
        format,
        capacity,
        backing: None,
        data_file: None,
        encrypted: false,
    };
    match format {
        F::Qcow2 => qcow2(head),
        F::Qcow => qcow(head),
        F::Qed => qed(head),
        F::Vmdk => vmdk(head),
        F::Luks => {
            let encrypted = ImageFacts {
                encrypted: true,
                ..facts(None)
            };
            if !head.starts_with(b"LUKS\xba\xbe") {
                return Err(Broken::NotThatFormat(format));
            }
            // Version 1 says where the data starts, in sectors; version 2 says it in JSON.
            let start = be16(head, 6)
                .filter(|v| *v == 1)
                .and_then(|_| be32(head, 104))
                .map(|sectors| u64::from(sectors) * 512);
            Ok(ImageFacts {
                capacity: start.and_then(|s| len.checked_sub(s)),
                ..encrypted
            })
        }
        F::Vdi => match le32(head, 0x40) {
            Some(0xbeda_107f) => Ok(facts(le64(head, 0x170))),
            _ => Err(Broken::NotThatFormat(format)),
        },
        // A fixed image has its only mark at the end, and is as long as the disk but for that.
        F::Vpc if head.starts_with(b"conectix") => Ok(facts(be64(head, 48))),
        F::Vpc => Ok(facts(len.checked_sub(512))),
        F::Vhd => Ok(facts(None)),
        _ => Ok(facts(Some(len))),
    }
}

fn qcow2(head: &[u8]) -> Result<ImageFacts, Broken> {
    let format = StorageFormat::Qcow2;
    let short = Broken::NotThatFormat(format);
    if !head.starts_with(b"QFI\xfb") {
        return Err(short);
    }
    let version = be32(head, 4).ok_or(short.clone())?;
    if !(2..=3).contains(&version) {
        return Err(Broken::Version(format, version));
    }
    let name_at = be64(head, 8).ok_or(short.clone())?;
    let name_len = be32(head, 16).ok_or(short.clone())?;
    let capacity = be64(head, 24).ok_or(short.clone())?;
    let encrypted = be32(head, 32).ok_or(short.clone())? != 0;
    let mut at = match version {
        2 => 72,
        _ => be32(head, 100).ok_or(short)? as usize,
    };
    let name = name(head, name_at, name_len, format)?;
    let mut backing_format = None;
    let mut data_file = None;
    // Extensions follow the header until one of type 0, or the backing image's name.
    let end = match usize::try_from(name_at) {
        Ok(at) if at > 0 => at.min(head.len()),
        _ => head.len(),
    };
    while at + 8 <= end {
        let (Some(kind), Some(len)) = (be32(head, at), be32(head, at + 4)) else {
            break;
        };
        let len = len as usize;
        let Some(data) = (at + 8).checked_add(len).and_then(|e| head.get(at + 8..e)) else {
            return Err(Broken::Bounds("a header extension", format));
        };
        let text = || {
            std::str::from_utf8(data)
                .map(str::to_owned)
                .map_err(|_| Broken::Text("a header extension", format))
        };
        match kind {
            0 => break,
            0xe279_2aca => backing_format = Some(text()?),
            0x4441_5441 => data_file = Some(text()?),
            _ => {}
        }
        at += 8 + len.next_multiple_of(8);
    }
    Ok(ImageFacts {
        format,
        capacity: Some(capacity),
        backing: name.map(|name| BackingRef {
            name,
            format: backing_format,
        }),
        data_file,
        encrypted,
    })
}

fn qcow(head: &[u8]) -> Result<ImageFacts, Broken> {
    let format = StorageFormat::Qcow;
    if !head.starts_with(b"QFI\xfb\0\0\0\x01") {
        return Err(Broken::NotThatFormat(format));
    }
    let short = Broken::NotThatFormat(format);
    let name_at = be64(head, 8).ok_or(short.clone())?;
    let name_len = be32(head, 16).ok_or(short)?;
    Ok(ImageFacts {
        format,
        capacity: be64(head, 24),
        backing: name(head, name_at, name_len, format)?
            .map(|name| BackingRef { name, format: None }),
        data_file: None,
        encrypted: be32(head, 36).is_some_and(|m| m != 0),
    })
}

fn qed(head: &[u8]) -> Result<ImageFacts, Broken> {
    let format = StorageFormat::Qed;
    if !head.starts_with(b"QED\0") {
        return Err(Broken::NotThatFormat(format));
    }
    let features = le64(head, 16).unwrap_or(0);
    let backing = if features & 1 == 0 {
        None
    } else {
        let at = le32(head, 56).unwrap_or(0);
        let len = le32(head, 60).unwrap_or(0);
        name(head, u64::from(at), len, format)?.map(|name| BackingRef {
            name,
            // Bit 2: the one below is raw and must not be probed.
            format: (features & 4 != 0).then(|| "raw".to_owned()),
        })
    };
    Ok(ImageFacts {
        format,
        capacity: le64(head, 48),
        backing,
        data_file: None,
        encrypted: false,
    })
}

fn vmdk(head: &[u8]) -> Result<ImageFacts, Broken> {
    let format = StorageFormat::Vmdk;
    let (capacity, descriptor) = if head.starts_with(b"KDMV") {
        let sectors = le64(head, 12);
        let at = le64(head, 28).and_then(|s| usize::try_from(s.checked_mul(512)?).ok());
        let size = le64(head, 36).and_then(|s| usize::try_from(s.checked_mul(512)?).ok());
        let text = at.zip(size).and_then(|(at, size)| {
            let end = at.checked_add(size)?.min(head.len());
            head.get(at..end)
        });
        (
            sectors.and_then(|s| s.checked_mul(512)),
            text.unwrap_or_default(),
        )
    } else if head.starts_with(b"COWD") {
        let sectors = le32(head, 12).map(u64::from);
        (sectors.map(|s| s * 512), &head[..0])
    } else if head.starts_with(b"# Disk DescriptorFile") {
        (None, head)
    } else {
        return Err(Broken::NotThatFormat(format));
    };
    let descriptor = String::from_utf8_lossy(descriptor);
    let parent = descriptor
        .lines()
        .filter_map(|line| line.trim().strip_prefix("parentFileNameHint="))
        .map(|name| name.trim_matches('"'))
        .find(|name| !name.is_empty() && name.len() <= MAX_NAME);
    Ok(ImageFacts {
        format,
        capacity,
        backing: parent.map(|name| BackingRef {
            name: name.to_owned(),
            format: Some("vmdk".to_owned()),
        }),
        data_file: None,
        encrypted: false,
    })
}

/// The name of a backing image; offset 0 says that there is none.
fn name(head: &[u8], at: u64, len: u32, format: StorageFormat) -> Result<Option<String>, Broken> {
    const WHAT: &str = "the name of the backing file";
    if at == 0 || len == 0 {
        return Ok(None);
    }
    let len = len as usize;
    if len > MAX_NAME {
        return Err(Broken::Bounds(WHAT, format));
    }
    let bytes = usize::try_from(at)
        .ok()
        .and_then(|at| head.get(at..at.checked_add(len)?))
        .ok_or(Broken::Bounds(WHAT, format))?;
    if bytes.contains(&0) {
        return Err(Broken::Text(WHAT, format));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Broken::Text(WHAT, format))?;
    Ok(Some(text.to_owned()))
}

fn bytes<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn be16(head: &[u8], at: usize) -> Option<u16> {
    bytes(head, at).map(u16::from_be_bytes)
}

fn be32(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(u32::from_be_bytes)
}

fn be64(head: &[u8], at: usize) -> Option<u64> {
    bytes(head, at).map(u64::from_be_bytes)
}

fn le32(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(u32::from_le_bytes)
}

fn le64(head: &[u8], at: usize) -> Option<u64> {
    bytes(head, at).map(u64::from_le_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The start of a qcow2 image of version 3.
    pub(in crate::storage) fn qcow2_head(capacity: u64, backing: Option<(&str, &str)>) -> Vec<u8> {
        let mut head = vec![0; 104];
        head[..4].copy_from_slice(b"QFI\xfb");
        head[4..8].copy_from_slice(&3u32.to_be_bytes());
        head[20..24].copy_from_slice(&16u32.to_be_bytes());
        head[24..32].copy_from_slice(&capacity.to_be_bytes());
        head[100..104].copy_from_slice(&104u32.to_be_bytes());
        if let Some((name, format)) = backing {
            head.extend(0xe279_2acau32.to_be_bytes());
            head.extend((format.len() as u32).to_be_bytes());
            head.extend(format.bytes());
            head.resize(head.len().next_multiple_of(8), 0);
            head.extend([0; 8]);
            let at = head.len() as u64;
            head[8..16].copy_from_slice(&at.to_be_bytes());
            head[16..20].copy_from_slice(&(name.len() as u32).to_be_bytes());
            head.extend(name.bytes());
        }
        head
    }

    #[test]
    fn a_qcow2_image_names_what_it_is_based_upon() {
        let head = qcow2_head(1 << 30, Some(("base.img", "raw")));
        let facts = inspect(StorageFormat::Qcow2, &head, head.len() as u64).unwrap();
        assert_eq!(facts.capacity, Some(1 << 30));
        let backing = facts.backing.unwrap();
        assert_eq!(backing.name, "base.img");
        assert_eq!(backing.format.as_deref(), Some("raw"));
    }

    #[test]
    fn a_name_outside_the_head_is_refused() {
        let mut head = qcow2_head(1, Some(("x", "raw")));
        head[8..16].copy_from_slice(&u64::MAX.to_be_bytes());
        assert!(matches!(
            inspect(StorageFormat::Qcow2, &head, 1),
            Err(Broken::Bounds(..))
        ));
        let mut head = qcow2_head(1, Some(("x", "raw")));
        head[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(inspect(StorageFormat::Qcow2, &head, 1).is_err());
    }

    #[test]
    fn what_is_no_image_of_the_format_is_refused_as_qemu_does() {
        let error = inspect(StorageFormat::Qcow2, b"<domain", 7).unwrap_err();
        assert_eq!(error.to_string(), "Image is not in qcow2 format");
        let raw = inspect(StorageFormat::Raw, b"<domain", 7).unwrap();
        assert_eq!(raw.capacity, Some(7));
    }

    proptest! {
        #[test]
        fn any_bytes_are_facts_or_an_error(mut head in prop::collection::vec(any::<u8>(), 0..600), magic in 0usize..7) {
            let magics: [&[u8]; 7] = [b"", b"QFI\xfb\0\0\0\x03", b"QFI\xfb\0\0\0\x01", b"QED\0", b"KDMV", b"LUKS\xba\xbe", b"# Disk DescriptorFile\nparentFileNameHint=\""];
            let magic = magics[magic];
            let len = magic.len().min(head.len());
            head[..len].copy_from_slice(&magic[..len]);
            for format in StorageFormat::ALL {
                let _ = inspect(*format, &head, head.len() as u64);
            }
            let _ = probe(&head);
        }
    }
}
