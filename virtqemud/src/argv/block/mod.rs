//! Block nodes: what QEMU opens for an image and everything below it.
//!
//! Each image is a protocol node `libvirt-N-storage`; on top of it, where only a part of the place
//! is used, `libvirt-N-slice-sto`, and, where the bytes are not the guest's as they are, a format
//! node `libvirt-N-format`. Facts: QEMU's QAPI schema of `BlockdevOptions`; WIRE.md section 30;
//! command lines of the stock daemon.

mod credentials;
mod image;
mod network;
mod protocol;

use super::command_line::Builder;
use super::context::{Descriptors, DriverConfig, StartContext};
use super::props::Props;
use crate::secrets::Secrets;
use std::collections::HashMap;
use std::path::Path;
use virt_domain::Domain;
use virt_domain::devices::disk::{Disk, DiskCache, DiskDevice, DiskIo};
use virt_domain::devices::storage::{BackingStore, Location, StorageFormat, StorageSource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

pub(super) use credentials::managed_reservations_object;
pub(crate) use credentials::{managed_reservations, uses_nbdkit};
pub(super) use image::{Backing, Image, Options};

/// What has to be there for an image, in its order.
#[derive(Debug)]
pub(crate) enum Part {
    /// An object that a node refers to: a secret, certificates, a helper.
    Object(Props),
    /// Descriptors that a node opens by the number of their set, each with a label.
    DescriptorSet {
        /// Number of the set.
        set: u32,
        /// Descriptors and labels.
        members: Vec<(i32, String)>,
    },
    /// A node.
    Node(Props),
}

/// The nodes of one disk.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    /// In the order in which they are made, each after those it refers to.
    pub(crate) parts: Vec<Part>,
    /// Name of the one the device uses.
    pub(crate) top: String,
}

impl Nodes {
    fn object(&mut self, props: Props) {
        self.parts.push(Part::Object(props));
    }

    fn node(&mut self, props: Props) {
        self.parts.push(Part::Node(props));
    }
}

/// What is asked of the start while nodes are described.
pub(crate) struct Needs<'a, 's> {
    pub(crate) config: &'a DriverConfig,
    /// The guest's own folder: sockets of helpers are there.
    pub(crate) guest_dir: &'a Path,
    /// Numbers of the descriptor sets that images have, by number of the image.
    pub(crate) sets: &'a HashMap<u32, u32>,
    pub(crate) secrets: &'a mut Secrets<'s>,
    pub(crate) descriptors: &'a mut dyn Descriptors,
}

impl<'a, 's> Needs<'a, 's> {
    /// Of a disk that comes while the guest runs.
    pub(crate) fn of_hotplug(
        config: &'a DriverConfig,
        guest_dir: &'a Path,
        sets: &'a HashMap<u32, u32>,
        secrets: &'a mut Secrets<'s>,
        descriptors: &'a mut dyn Descriptors,
    ) -> Self {
        Self {
            config,
            guest_dir,
            sets,
            secrets,
            descriptors,
        }
    }

    /// Of a command line that is built; `sets` as [`descriptor_sets`] gives them.
    pub(super) fn of(context: &'a mut StartContext<'s>, sets: &'a HashMap<u32, u32>) -> Self {
        Self {
            config: context.config,
            guest_dir: &context.guest_dir,
            sets,
            secrets: &mut context.secrets,
            descriptors: &mut *context.descriptors,
        }
    }
}

impl Builder<'_> {
    /// Adds what an image needs.
    pub(super) fn parts(&mut self, parts: Vec<Part>) {
        for part in parts {
            match part {
                Part::Object(props) => self.object(&props),
                Part::Node(props) => self.blockdev(&props),
                Part::DescriptorSet { set, members } => self.numbered_fdset(set, &members),
            }
        }
    }
}

/// Numbers of the descriptor sets of images that are opened by descriptor, by number of the image:
/// they come before all others, in the order of the images' numbers.
pub(super) fn descriptor_sets(domain: &Domain) -> HashMap<u32, u32> {
    let mut images: Vec<u32> = domain
        .devices
        .disks
        .iter()
        .flat_map(sources)
        .filter(|(source, _)| {
            matches!(
                source.place(),
                Location::File {
                    fdgroup: Some(_),
                    ..
                } | Location::VhostVdpa { .. }
            )
        })
        .filter_map(|(_, index)| index)
        .collect();
    images.sort_unstable();
    images.into_iter().zip(0..).collect()
}

/// All places of a disk with their numbers.
fn sources(disk: &Disk) -> Vec<(&StorageSource, Option<u32>)> {
    let mut all: Vec<_> = disk.source.iter().map(|s| (s, s.index)).collect();
    let mut backing = disk.backing.as_ref();
    while let Some(BackingStore::Image(image)) = backing {
        let source = image.source.iter();
        all.extend(source.map(|s| (s, image.index.or(s.index))));
        backing = image.backing.as_ref();
    }
    all
}

/// Whether the block device at `path` is a CD-ROM drive of the host is asked of `needs`. Nothing
/// for a drive without a medium.
///
/// # Errors
/// What can't be expressed; what a secret, descriptors or a helper are missing for.
pub(crate) fn nodes(disk: &Disk, needs: &mut Needs) -> Result<Option<Nodes>> {
    let Some(source) = disk.source.as_ref().filter(|s| !s.is_empty()) else {
        return Ok(None);
    };
    let driver = disk.driver.as_ref();
    let format = disk.format().unwrap_or(StorageFormat::Raw);
    let options = Options {
        cache: disk.cache(),
        discard: driver.and_then(|d| d.discard),
        io: driver.and_then(|d| d.io),
        cdrom: disk.device == DiskDevice::Cdrom
            && format == StorageFormat::Raw
            && matches!(source.place(), Location::Block { path: Some(path) }
                if needs.descriptors.is_cdrom_drive(path)),
        floppy: disk.device == DiskDevice::Floppy,
    };
    let mut out = Nodes::default();
    let backing = below(&mut out, disk.backing.as_ref(), &options, needs)?;
    let top = Image {
        auth: disk.auth.as_ref().or_else(|| source.credentials()),
        encryption: disk.encryption.as_ref().or(source.encryption.as_ref()),
        read_only: disk.readonly,
        detect_zeroes: driver.and_then(|d| d.detect_zeroes),
        no_unref: driver.and_then(|d| d.discard_no_unref),
        metadata_cache: driver
            .and_then(|d| d.metadata_cache.as_ref()?.max_size)
            .map(|s| s.0),
        backing,
        ..Image::new(source, source.index.unwrap_or(0).to_string(), format)
    };
    out.top = top.append(&mut out, &options, needs)?;
    Ok(Some(out))
}

/// The nodes of what an image is based upon, the lowest one first.
fn below(
    out: &mut Nodes,
    backing: Option<&BackingStore>,
    options: &Options,
    needs: &mut Needs,
) -> Result<Backing> {
    let mut chain = Vec::new();
    let mut next = backing;
    let mut state = Backing::Unsaid;
    loop {
        match next {
            None => break,
            Some(BackingStore::End) => {
                state = Backing::Nothing;
                break;
            }
            Some(BackingStore::Image(backing)) => {
                chain.push(backing);
                next = backing.backing.as_ref();
            }
        }
    }
    for backing in chain.into_iter().rev() {
        let Some(source) = &backing.source else {
            continue;
        };
        let format = backing.format.as_ref();
        let number = backing.index.or(source.index).unwrap_or(0);
        let kind = format.map_or(StorageFormat::Raw, |f| f.kind);
        let image = Image {
            read_only: true,
            metadata_cache: format
                .and_then(|f| f.metadata_cache.as_ref()?.max_size)
                .map(|s| s.0),
            backing: state,
            ..Image::new(source, number.to_string(), kind)
        };
        // QEMU is never to open what the definition does not name.
        state = Backing::Node(image.append(out, options, needs)?);
    }
    Ok(state)
}

/// Whether the device acknowledges writes before they are on the disk.
pub(super) fn write_cache(mode: Option<DiskCache>) -> Option<bool> {
    match mode? {
        DiskCache::Default => None,
        DiskCache::Directsync | DiskCache::Writethrough => Some(false),
        DiskCache::None | DiskCache::Writeback | DiskCache::Unsafe => Some(true),
    }
}

/// The node of a SCSI unit that is handed through: a block device of the host or a server's.
///
/// # Errors
/// As [`nodes`].
pub(super) fn backend(
    source: &StorageSource,
    node: String,
    read_only: bool,
    needs: &mut Needs,
) -> Result<Nodes> {
    let mut out = Nodes::default();
    let auth_secret = format!("{node}-secret0");
    let auth = credentials::auth(&mut out, source.credentials(), auth_secret, needs)?;
    let options = Options::default();
    let protocol = protocol::plain(source.place(), auth.as_ref(), &options)?;
    out.node(
        protocol
            .with("node-name", node.clone())
            .with("read-only", read_only),
    );
    out.top = node;
    Ok(out)
}

/// A disk that `-drive` opens: what it needs, its protocol node, the object with its passphrase. All
/// are named after the disk's alias.
///
/// # Errors
/// As [`nodes`].
pub(super) fn legacy(
    disk: &Disk,
    source: &StorageSource,
    alias: &str,
    needs: &mut Needs,
) -> Result<(Vec<Part>, Props, Option<String>)> {
    let image = Image {
        auth: disk.auth.as_ref().or_else(|| source.credentials()),
        read_only: disk.readonly,
        ..Image::new(source, alias.to_owned(), StorageFormat::Raw)
    };
    let mut protocol = protocol::describe(&image, alias, &Options::default(), needs)?;
    let mut out = Nodes::default();
    out.parts.append(&mut protocol.parts);
    let encryption = disk.encryption.as_ref().or(source.encryption.as_ref());
    let key = match encryption {
        Some(encryption) => credentials::passphrases(&mut out, encryption, alias, needs)?.pop(),
        None => None,
    };
    Ok((out.parts, protocol.node, key))
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, what)
}

/// `aio` of a node that is a file or device of the host.
fn aio(io: Option<DiskIo>) -> Option<&'static str> {
    io.map(DiskIo::word)
}

#[cfg(test)]
mod tests;
