//! What an image is based upon, and what it is being copied to.

use super::{Format, Location, StorageFormat, StorageKind, StorageSource, write_source};
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
        let index = node.attr("index")?;
        let format = node.child::<Format>("format")?;
        if format.is_none() {
            return Err(node.error("missing disk backing store format"));
        }
        if !node.has("source") {
            return Err(node.error("missing disk backing store source"));
        }
        Ok(Self::Image(Box::new(BackingImage {
            kind,
            index,
            format,
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
    /// Kind of its place.
    pub kind: StorageKind,
    /// Which job.
    pub job: MirrorJob,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum MirrorJob {
    /// A copy.
    #[default]
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

impl Mirror {
    /// That of a disk. Only a running guest has one: what a client says of it is dropped, so it need
    /// not be right.
    ///
    /// # Errors
    /// As reading any element, for a document of the driver's own.
    pub(crate) fn read_live(disk: &mut Node<'_>) -> Result<Option<Self>> {
        let of_driver = disk.is_of_driver();
        match disk.child("mirror") {
            Err(_) if !of_driver => Ok(None),
            mirror => mirror,
        }
    }
}

impl Element for Mirror {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        // The oldest form has path and format in attributes and neither type nor job; they are
        // written to this day beside the elements.
        let given = node.attr::<StorageKind>("type")?;
        let kind = given.unwrap_or_default();
        let file: Option<String> = node.attr("file")?;
        let mut old_format: Option<StorageFormat> = node.attr("format")?;
        if given.is_none() {
            old_format.get_or_insert(StorageFormat::Raw);
        }
        let format = node.child("format")?;
        let source = node.child_with("source", |n| StorageSource::read(n, kind))?;
        Ok(Self {
            kind,
            job: node.attr("job")?.unwrap_or_default(),
            ready: node.attr("ready")?,
            format: format.or_else(|| {
                old_format.map(|kind| Format {
                    kind,
                    metadata_cache: None,
                })
            }),
            source: source.or_else(|| {
                let place = |path| {
                    StorageSource::from(Location::File {
                        path: Some(path),
                        fdgroup: None,
                    })
                };
                file.map(place)
            }),
            backing: node.child("backingStore")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.kind);
        if self.kind == StorageKind::File && self.job == MirrorJob::Copy {
            if let Some(path) = self.source.as_ref().and_then(StorageSource::path) {
                tag.text("file", path);
            }
            tag.maybe("format", &self.format.as_ref().map(|format| format.kind));
        }
        tag.attr("job", &self.job);
        tag.maybe("ready", &self.ready);
    }

    fn content(&self, out: &mut Writer) {
        out.maybe("format", self.format.as_ref());
        write_source(out, self.source.as_ref());
        out.maybe("backingStore", self.backing.as_ref());
    }
}
