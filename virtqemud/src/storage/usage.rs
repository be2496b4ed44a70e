//! How large an image is and how much room it takes: `virsh domblkinfo` of a guest that is off.
//!
//! Facts: tests/transcripts/stats.txt.

use super::head;
use super::image::{self, probe};
use virt_domain::devices::storage::StorageFormat;
use virt_error::{Error, ErrorDomain, Result};

/// Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// What the guest sees.
    pub capacity: u64,
    /// What is taken on the host.
    pub allocation: u64,
    /// How large the file or device is.
    pub physical: u64,
}

/// The sizes of the image at `path`, which is of that format; without one the image's own first
/// bytes are believed.
///
/// # Errors
/// SYSTEM_ERROR when it can't be opened or read.
pub fn usage(path: &str, format: Option<StorageFormat>) -> Result<Usage> {
    let head = head(path).map_err(|cause| {
        Error::system(
            ErrorDomain::Qemu,
            format_args!("cannot open file '{path}'"),
            &cause,
        )
    })?;
    let format = format.unwrap_or_else(|| probe(&head.bytes));
    let capacity = image::inspect(format, &head.bytes, head.len)
        .ok()
        .and_then(|facts| facts.capacity)
        .unwrap_or(head.len);
    Ok(Usage {
        capacity,
        allocation: if head.block_device {
            head.len
        } else {
            head.allocated
        },
        physical: head.len,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparse_raw_image_takes_no_room() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(
            usage(path, Some(StorageFormat::Raw)).unwrap(),
            Usage {
                capacity: 1 << 20,
                allocation: 0,
                physical: 1 << 20
            }
        );
    }

    #[test]
    fn a_qcow2_image_says_what_the_guest_sees() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let head = crate::storage::image::tests::qcow2_head(1 << 30, None);
        std::fs::write(file.path(), &head).unwrap();
        let usage = usage(file.path().to_str().unwrap(), Some(StorageFormat::Qcow2)).unwrap();
        assert_eq!(usage.capacity, 1 << 30);
        assert_eq!(usage.physical, head.len() as u64);
    }
}
