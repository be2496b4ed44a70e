//! What an image is based upon, and what it is being copied to.

use super::{Format, StorageFormat, StorageKind, StorageSource, write_source};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer};

/// `<backingStore>`.
#[derive(Debug, Clone, PartialEq)]
pub enum BackingStore {
    /// The chain ends here: `<backingStore/>`.
    End,
    /// Another image.
    Image(Box<BackingImage>),
}

/// An image below another one.
#[derive(Debug, Clone, PartialEq)]
pub struct BackingImage {
    /// Kind of its place.
    pub kind: StorageKind,
    /// Number of its block node; live only, older documents.
    pub index: Option<u32>,
    /// Its format.
    pub format: Option<Format>,
    /// Its place.
    pub source: Option<StorageSource>,
    /// What it is based upon; absent: not known.
    pub backing: Option<BackingStore>,
}

impl Element for BackingStore {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let Some(kind) = node.attr::<StorageKind>("type")? else {
            return Ok(Self::End);
        };
        Ok(Self::Image(Box::new(BackingImage {
            kind,
            index: node.attr("index")?,
            format: node.child("format")?,
            source: node.child_with("source", |n| StorageSource::read(n, kind))?,
            backing: node.child("backingStore")?,
        })))
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        if let Self::Image(image) = self {
            tag.attr("type", &image.kind);
            tag.maybe("index", &image.index);
        }
    }

    fn content(&self, out: &mut Writer) {
        if let Self::Image(image) = self {
            out.maybe("format", image.format.as_ref());
            write_source(out, image.source.as_ref());
            out.maybe("backingStore", image.backing.as_ref());
        }
    }
}

/// `<mirror>`: where a running block job copies to; live only.
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror {
    /// Kind of its place; absent in the oldest form, which is a file.
    pub kind: Option<StorageKind>,
    /// Path, in the oldest form.
    pub file: Option<String>,
    /// Format, in the oldest form.
    pub format_attr: Option<StorageFormat>,
    /// Which job.
    pub job: Option<MirrorJob>,
    /// How far it is.
    pub ready: Option<MirrorReady>,
    /// Its format.
    pub format: Option<Format>,
    /// Its place.
    pub source: Option<StorageSource>,
    /// What it is based upon.
    pub backing: Option<BackingStore>,
}

/// `job` of `<mirror>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum MirrorJob {
    /// A copy.
    Copy,
    /// A commit of the active layer.
    ActiveCommit,
}

/// `ready` of `<mirror>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum MirrorReady {
    /// It can be ended.
    Yes,
    /// It is being aborted.
    Abort,
    /// It is being switched to.
    Pivot,
}

impl Element for Mirror {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = node.attr::<StorageKind>("type")?;
        Ok(Self {
            kind,
            file: node.attr("file")?,
            format_attr: node.attr("format")?,
            job: node.attr("job")?,
            ready: node.attr("ready")?,
            format: node.child("format")?,
            source: node.child_with("source", |n| {
                StorageSource::read(n, kind.unwrap_or_default())
            })?,
            backing: node.child("backingStore")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("type", &self.kind);
        tag.maybe("file", &self.file);
        tag.maybe("format", &self.format_attr);
        tag.maybe("job", &self.job);
        tag.maybe("ready", &self.ready);
    }

    fn content(&self, out: &mut Writer) {
        out.maybe("format", self.format.as_ref());
        write_source(out, self.source.as_ref());
        out.maybe("backingStore", self.backing.as_ref());
    }
}
