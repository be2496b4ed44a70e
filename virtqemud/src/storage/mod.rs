//! Images on the host: what they say of themselves, the chains they form, how much room they take.
//!
//! [`image`] and [`location`] are pure; [`chain`] and [`usage`] look at files and block, so they run
//! off the daemon's thread.

pub mod chain;
pub mod image;
pub mod location;
pub mod overlays;
pub mod usage;
pub mod volumes;

pub use chain::{Dropped, prepare};
pub use usage::{Usage, usage};

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};

/// The start of a file and what the file system says of it.
struct Head {
    bytes: Vec<u8>,
    /// Bytes of the file or block device.
    len: u64,
    /// Device and number: the identity of what was opened, whatever its name.
    identity: (u64, u64),
    /// Bytes taken on the host.
    allocated: u64,
    block_device: bool,
}

/// Reads the start of an image. Folders, sockets and the like have no bytes.
fn head(path: &str) -> io::Result<Head> {
    // An image may well be behind a link (/dev/disk/by-id, a link to another pool): the guest's
    // definition is trusted with what it names. Opening must not hang at a FIFO.
    let file = File::options()
        .read(true)
        .custom_flags(libc_flags())
        .open(path)?;
    let meta = file.metadata()?;
    let block_device = meta.file_type().is_block_device();
    let mut bytes = Vec::new();
    let mut len = meta.len();
    if meta.is_file() || block_device {
        if block_device {
            len = rustix::fs::seek(&file, rustix::fs::SeekFrom::End(0))?;
        }
        bytes.resize(
            usize::try_from(len).map_or(image::HEAD_LEN, |n| n.min(image::HEAD_LEN)),
            0,
        );
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        bytes.truncate(filled);
    }
    Ok(Head {
        bytes,
        len,
        identity: if block_device {
            (u64::MAX, meta.rdev())
        } else {
            (meta.dev(), meta.ino())
        },
        allocated: meta.blocks() * 512,
        block_device,
    })
}

fn libc_flags() -> i32 {
    // The bits of open(2) all fit: flags are an int there.
    (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits() as i32
}
