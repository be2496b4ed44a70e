//! Saving a guest's memory to a file and going on from it, in libvirt's format (WIRE.md section
//! 27), so that either daemon reads the other's images.

mod header;
mod image;
mod packer;
mod resume;
mod store;

pub use header::{Documents, Header, Unusable};
pub use image::Image;
pub use resume::{RestoreOptions, definition, restore};
pub use store::SaveOptions;

use virt_xml::Words;

/// How QEMU's stream is packed in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Words)]
pub enum Format {
    /// As it is.
    #[default]
    Raw,
    /// By gzip.
    Gzip,
    /// By bzip2.
    Bzip2,
    /// By xz.
    Xz,
    /// By lzop.
    Lzop,
    /// By zstd.
    Zstd,
}

impl Format {
    /// Its number in the head.
    pub const fn number(self) -> u32 {
        match self {
            Self::Raw => 0,
            Self::Gzip => 1,
            Self::Bzip2 => 2,
            Self::Xz => 3,
            Self::Lzop => 4,
            Self::Zstd => 5,
        }
    }

    /// The format of a number.
    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|f| f.number() == number)
    }
}
