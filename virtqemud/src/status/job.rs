//! `<job>`: what is being done to the guest at length.

use virt_domain::devices::storage::{StorageFormat, StorageKind, StorageSource};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Tree, Writer, YesNo};

/// A job under way.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Job {
    /// `none`, `query`, `destroy`, `suspend`, `modify`, `abort`, …
    #[xml(attr = "type")]
    pub kind: String,
    /// `none`, `migration out`, `migration in`, `save`, `dump`, `snapshot`, `start`, `backup`.
    #[xml(attr = "async")]
    pub long: Option<String>,
    /// How far it is.
    #[xml(attr)]
    pub phase: Option<String>,
    /// Flags of the call, hexadecimal.
    #[xml(attr)]
    pub flags: Option<String>,
    /// When it began, in milliseconds; 0 where that isn't known.
    #[xml(attr = "asyncStarted", default)]
    pub began: u64,
    /// Disks of a migration.
    #[xml(child = "disk")]
    pub disks: Vec<JobDisk>,
    /// Bitmaps that end with it.
    #[xml(child = "tempBlockDirtyBitmaps")]
    pub bitmaps: Option<Bitmaps>,
    /// Parameters that QEMU's migration had before.
    #[xml(child = "migParams")]
    pub parameters: Option<Parameters>,
    /// What another version keeps.
    #[xml(rest)]
    pub others: Vec<Tree>,
}

/// A disk of a migration.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct JobDisk {
    /// Its name.
    #[xml(attr)]
    pub dev: String,
    /// Whether its content is copied.
    #[xml(attr)]
    pub migrating: YesNo,
    /// Where it is copied to.
    #[xml(child = "migrationSource")]
    pub source: Option<MigrationSource>,
}

/// Where a disk is copied to.
#[derive(Debug, Clone, PartialEq)]
pub struct MigrationSource {
    /// Kind of the place.
    pub kind: StorageKind,
    /// Format of what is sent.
    pub format: Option<StorageFormat>,
    /// The place.
    pub source: StorageSource,
}

impl Element for MigrationSource {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = node.attr("type")?.unwrap_or_default();
        let format = node.attr("format")?;
        // Older versions wrote the place into the element itself.
        let source = match node.child_with("source", |n| StorageSource::read(n, kind))? {
            Some(source) => source,
            None => StorageSource::read(node, kind)?,
        };
        Ok(Self {
            kind,
            format,
            source,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.kind);
        tag.maybe("format", &self.format);
    }

    fn content(&self, out: &mut Writer) {
        self.source.write(out);
    }
}

/// Bitmaps that end with the job.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Bitmaps {
    /// Each one.
    #[xml(child = "bitmap")]
    pub list: Vec<Bitmap>,
}

/// A bitmap of a block node.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Bitmap {
    /// Its name.
    #[xml(attr)]
    pub name: String,
    /// The node.
    #[xml(attr)]
    pub nodename: String,
}

/// Parameters of QEMU's migration.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Parameters {
    /// Each one.
    #[xml(child = "param")]
    pub list: Vec<Parameter>,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Parameter {
    /// QEMU's name of it.
    #[xml(attr)]
    pub name: String,
    /// A number, a text, or `yes` and `no`.
    #[xml(attr)]
    pub value: String,
}
