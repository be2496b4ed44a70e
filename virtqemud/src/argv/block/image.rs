//! One image: its protocol node, the slice of it that is used, its format.

use super::credentials;
use super::protocol::{self, Access};
use super::{Needs, Nodes, unsupported};
use crate::argv::props::Props;
use serde_json::{Value, json};
use virt_domain::devices::disk::{DetectZeroes, Discard, DiskCache, DiskIo};
use virt_domain::devices::storage::{
    Auth, Encryption, EncryptionEngine, EncryptionFormat, Location, StorageFormat, StorageSource,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

/// Options that hold for every image of a disk.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Options {
    pub(in super::super) cache: Option<DiskCache>,
    pub(in super::super) discard: Option<Discard>,
    pub(in super::super) io: Option<DiskIo>,
    /// Whether the drive of the host itself is handed over.
    pub(in super::super) cdrom: bool,
    pub(in super::super) floppy: bool,
}

/// What is done with one image.
#[derive(Debug)]
pub(in super::super) struct Image<'a> {
    pub(in super::super) source: &'a StorageSource,
    /// What its nodes have in their names: its number, or `pflash0`.
    pub(in super::super) name: String,
    pub(in super::super) format: StorageFormat,
    pub(in super::super) auth: Option<&'a Auth>,
    pub(in super::super) encryption: Option<&'a Encryption>,
    pub(in super::super) read_only: bool,
    pub(in super::super) detect_zeroes: Option<DetectZeroes>,
    pub(in super::super) no_unref: Option<OnOff>,
    /// Bytes for the cache of a qcow2 image's tables.
    pub(in super::super) metadata_cache: Option<u64>,
    pub(in super::super) backing: Backing,
    /// Whether a raw image gets a format node as well.
    pub(in super::super) always_formatted: bool,
}

/// What an image is based upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Backing {
    /// QEMU reads it from the image.
    Unsaid,
    /// Nothing.
    Nothing,
    /// The node of that name.
    Node(String),
}

impl<'a> Image<'a> {
    /// An image that can be written to and has no options.
    pub(in super::super) fn new(
        source: &'a StorageSource,
        name: String,
        format: StorageFormat,
    ) -> Self {
        Self {
            source,
            name,
            format,
            auth: source.credentials(),
            encryption: source.encryption.as_ref(),
            read_only: false,
            detect_zeroes: None,
            no_unref: None,
            metadata_cache: None,
            backing: Backing::Unsaid,
            always_formatted: false,
        }
    }

    /// Appends the image's nodes and what they need; returns the name of the top one.
    ///
    /// # Errors
    /// What can't be expressed; what a secret, descriptors or a helper are missing for.
    pub(in super::super) fn append(
        &self,
        out: &mut Nodes,
        options: &Options,
        needs: &mut Needs,
    ) -> Result<String> {
        let storage = format!("libvirt-{}-storage", self.name);
        let data_file = self.data_file(out, options, needs)?;
        let mut protocol = protocol::describe(self, &storage, options, needs)?;
        let access = protocol.access;
        let formatted = self.has_format(access);
        let keys = self.keys(out, &mut protocol, formatted, needs)?;
        out.parts.append(&mut protocol.parts);
        let bare = protocol.node.with("node-name", storage.clone());
        if !formatted && self.source.slice().is_none() {
            out.node(self.flags(bare, options));
            return Ok(storage);
        }
        out.node(below_others(bare, access).maybe("cache", cache(options.cache)));
        let mut top = storage;
        if let Some(slice) = self.source.slice() {
            let name = format!("libvirt-{}-slice-sto", self.name);
            let node = Props::of("driver", "raw")
                .with("file", top)
                .with("offset", slice.offset)
                .with("size", slice.size)
                .with("node-name", name.clone());
            if !formatted {
                out.node(self.flags(node, options));
                return Ok(name);
            }
            let node = below_others(node, Access::Any);
            out.node(node.maybe("cache", cache(options.cache)));
            top = name;
        }
        self.format_node(out, options, top, data_file, &keys)
    }

    fn format_node(
        &self,
        out: &mut Nodes,
        options: &Options,
        file: String,
        data_file: Option<String>,
        keys: &[String],
    ) -> Result<String> {
        let name = format!("libvirt-{}-format", self.name);
        let mut node = self.flags(Props::of("node-name", name.clone()), options);
        let key = keys.first().filter(|_| self.is_ours_to_decrypt());
        match (key, self.format) {
            (Some(key), StorageFormat::Raw) => {
                node.put("driver", "luks");
                node.put("key-secret", key.clone());
            }
            (key, _) => {
                node.put("driver", self.driver()?);
                if let Some(key) = key {
                    node.put("encrypt", json!({ "format": "luks", "key-secret": key }));
                }
            }
        }
        if self.no_unref == Some(OnOff::On) {
            node.put("discard-no-unref", true);
        }
        if let Some(bytes) = self.metadata_cache {
            node.put("cache-size", bytes);
        }
        if let Some(data_file) = data_file {
            node.put("data-file", data_file);
        }
        node.put("file", file);
        match &self.backing {
            Backing::Node(below) if has_backing(self.format) => node.put("backing", below.clone()),
            Backing::Nothing if has_backing(self.format) => node.put("backing", Value::Null),
            _ => {}
        }
        out.node(node);
        Ok(name)
    }

    /// The node of the file that holds the data of a qcow2 image.
    fn data_file(
        &self,
        out: &mut Nodes,
        options: &Options,
        needs: &mut Needs,
    ) -> Result<Option<String>> {
        let Some(store) = &self.source.data_store else {
            return Ok(None);
        };
        let source = store.source.as_ref().ok_or_else(|| {
            unsupported("a <dataStore> without a <source> can't be opened; add one")
        })?;
        let number = source.index.unwrap_or(0).to_string();
        let image = Image {
            read_only: self.read_only,
            ..Image::new(source, number, StorageFormat::Raw)
        };
        image.append(out, options, needs).map(Some)
    }

    /// Makes the objects with the passphrases; their names. Who decrypts below the format is told
    /// in its own node.
    fn keys(
        &self,
        out: &mut Nodes,
        protocol: &mut protocol::Protocol,
        formatted: bool,
        needs: &mut Needs,
    ) -> Result<Vec<String>> {
        let Some(encryption) = self.encryption else {
            return Ok(Vec::new());
        };
        out.parts.append(&mut protocol.parts);
        let level = if formatted { "format" } else { "storage" };
        let holder = format!("libvirt-{}-{level}", self.name);
        let names = credentials::passphrases(out, encryption, &holder, needs)?;
        if names.is_empty() {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                "missing secret info for 'luks' driver",
            ));
        }
        if !self.is_ours_to_decrypt() {
            let layers = names.iter().rev().fold(None, |parent, name| {
                let mut layer = json!({
                    "format": librbd_format(encryption.format),
                    "key-secret": name,
                });
                if let Some(parent) = parent {
                    layer["parent"] = parent;
                }
                Some(layer)
            });
            if let Some(layers) = layers {
                protocol.node.put("encrypt", layers);
            }
        }
        Ok(names)
    }

    /// Whether QEMU decrypts in the format's node, rather than the server's library.
    fn is_ours_to_decrypt(&self) -> bool {
        self.encryption
            .is_some_and(|e| e.engine != Some(EncryptionEngine::Librbd))
    }

    fn has_format(&self, access: Access) -> bool {
        self.always_formatted
            || self.format != StorageFormat::Raw
            || self.is_ours_to_decrypt()
            || matches!(self.source.place(), Location::Dir { .. })
            // A descriptor that can be written to is made read-only above its node.
            || access == Access::ReadWrite && self.read_only
    }

    fn flags(&self, props: Props, options: &Options) -> Props {
        props
            .with("read-only", self.read_only)
            .maybe("discard", options.discard.map(Discard::word))
            .maybe("detect-zeroes", self.detect_zeroes(options))
            .maybe("cache", cache(options.cache))
    }

    fn detect_zeroes(&self, options: &Options) -> Option<&'static str> {
        match self.detect_zeroes? {
            // Without discards there is nothing zeroes could be turned into.
            DetectZeroes::Unmap if options.discard != Some(Discard::Unmap) => Some("on"),
            other => Some(other.word()),
        }
    }

    /// QEMU's driver of the format.
    fn driver(&self) -> Result<&'static str> {
        use StorageFormat as F;
        Ok(match self.format {
            F::Raw | F::Fat => "raw",
            F::Luks => "luks",
            F::Ploop => "parallels",
            F::Vhd => "vhdx",
            F::Qcow
            | F::Qcow2
            | F::Qed
            | F::Vmdk
            | F::Vpc
            | F::Vdi
            | F::Bochs
            | F::Cloop
            | F::Dmg => self.format.word(),
            F::Dir | F::Iso | F::Cow | F::Aio => {
                return Err(unsupported(format!(
                    "'{}' storage format is not supported",
                    self.format
                )));
            }
        })
    }
}

/// A node that others use as they need: QEMU opens it for writing where it has to.
fn below_others(props: Props, access: Access) -> Props {
    match access {
        Access::Any => props.with("auto-read-only", true),
        // A single descriptor can't be opened again in another mode.
        Access::ReadOnly => props.with("read-only", true),
        Access::ReadWrite => props.with("read-only", false),
    }
    .with("discard", "unmap")
}

fn librbd_format(format: EncryptionFormat) -> &'static str {
    match format {
        EncryptionFormat::Luks2 => "luks2",
        EncryptionFormat::LuksAny => "luks-any",
        _ => "luks",
    }
}

fn has_backing(format: StorageFormat) -> bool {
    matches!(
        format,
        StorageFormat::Qcow | StorageFormat::Qcow2 | StorageFormat::Qed | StorageFormat::Vmdk
    )
}

/// The part of the cache mode that is the node's; whether writes are acknowledged early is the
/// device's.
fn cache(mode: Option<DiskCache>) -> Option<Value> {
    let (direct, no_flush) = match mode? {
        DiskCache::Default => return None,
        DiskCache::None | DiskCache::Directsync => (true, false),
        DiskCache::Writeback | DiskCache::Writethrough => (false, false),
        DiskCache::Unsafe => (false, true),
    };
    Some(json!({ "direct": direct, "no-flush": no_flush }))
}
