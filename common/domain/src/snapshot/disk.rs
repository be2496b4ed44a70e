//! `<disk>` of a snapshot.

use crate::devices::disk::DiskSnapshot;
use crate::devices::storage::{
    Location, MetadataCache, StorageFormat, StorageKind, StorageSource, write_source,
};
use crate::refusal::{internal, unsupported, xml};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Writer};

/// How a disk takes part.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotDisk {
    /// The disk's target or, from a client, the path of its source.
    pub name: String,
    /// How it is kept; settled with the guest's disks where absent.
    pub snapshot: Option<DiskSnapshot>,
    /// What kind of place the new image is.
    pub kind: StorageKind,
    /// Format of the new image.
    pub format: Option<StorageFormat>,
    /// Cache of the new image's tables.
    pub metadata_cache: Option<MetadataCache>,
    /// Where the new image is.
    pub source: Option<StorageSource>,
    /// A deletion of the snapshot was cut off.
    pub deletion_in_progress: bool,
}

impl SnapshotDisk {
    /// A disk of that name about which nothing is said.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            snapshot: None,
            kind: StorageKind::File,
            format: None,
            metadata_cache: None,
            source: None,
            deletion_in_progress: false,
        }
    }

    /// Path on the host or name on a server of the new image.
    pub fn path(&self) -> Option<&str> {
        self.source.as_ref().and_then(StorageSource::shown)
    }

    /// Whether it says anything of a new image.
    fn has_image(&self) -> bool {
        self.source.as_ref().is_some_and(|s| !s.is_empty()) || self.format.is_some()
    }

    fn read_driver(&mut self, node: &mut Node<'_>) -> Result<()> {
        if let Some(word) = node.attr_text("type") {
            let known = StorageFormat::from_word(word);
            self.format =
                Some(known.ok_or_else(|| {
                    unsupported(format!("unknown disk snapshot driver '{word}'"))
                })?);
        }
        self.metadata_cache = node.child("metadata_cache")?;
        Ok(())
    }

    fn check_source(&self) -> Result<()> {
        match self.source.as_ref().map(|source| &source.location) {
            Some(
                Location::File {
                    path: Some(path), ..
                }
                | Location::Block { path: Some(path) },
            ) if !path.starts_with('/') => Err(xml(format!(
                "disk snapshot image path '{path}' must be absolute"
            ))),
            _ => Ok(()),
        }
    }
}

impl Element for SnapshotDisk {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let name = node.attr("name")?;
        let name: String =
            name.ok_or_else(|| internal("missing name from disk snapshot element"))?;
        let mut disk = Self::named(name);
        disk.snapshot = node.attr("snapshot")?;
        disk.kind = node.attr("type")?.unwrap_or_default();
        match disk.kind {
            StorageKind::File | StorageKind::Block | StorageKind::Network => {}
            other => return Err(xml(format!("unsupported disk snapshot type '{other}'"))),
        }
        let kind = disk.kind;
        disk.source = node.child_with("source", |node| StorageSource::read(node, kind))?;
        node.child_with("driver", |node| disk.read_driver(node))?;
        disk.deletion_in_progress = node.flag("snapshotDeleteInProgress");
        disk.check_source()?;
        if disk.snapshot.is_none() && disk.has_image() {
            disk.snapshot = Some(DiskSnapshot::External);
        }
        Ok(disk)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("name", &self.name);
        tag.maybe("snapshot", &self.snapshot);
        if self.has_image() {
            tag.attr("type", &self.kind);
        }
    }

    fn content(&self, out: &mut Writer) {
        if self.deletion_in_progress {
            out.empty("snapshotDeleteInProgress");
        }
        if !self.has_image() {
            return;
        }
        if self.format.is_some() || self.metadata_cache.is_some() {
            out.open(
                "driver",
                |tag| tag.maybe("type", &self.format),
                |out| out.maybe("metadata_cache", self.metadata_cache.as_ref()),
            );
        }
        write_source(out, self.source.as_ref());
    }
}

pub(super) fn read_all(node: &mut Node<'_>, name: &str) -> Result<Vec<SnapshotDisk>> {
    let disks = node.child_with(name, |node| node.children("disk"))?;
    Ok(disks.unwrap_or_default())
}

pub(super) fn write_all(out: &mut Writer, name: &str, disks: &[SnapshotDisk]) {
    if !disks.is_empty() {
        let content = |out: &mut Writer| disks.iter().for_each(|disk| out.element("disk", disk));
        out.open(name, |_| {}, content);
    }
}
