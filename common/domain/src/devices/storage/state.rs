//! What the driver keeps of an image while a guest uses it: names of block nodes, of secrets and of
//! helpers. Only status files have it.
//!
//! Facts: status files of the stock daemon.

use virt_xml::{Element, Tree, YesNo};

/// `<privateData>` of a source.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct SourceState {
    /// Names of the block nodes.
    #[xml(child)]
    pub nodenames: Option<NodeNames>,
    /// The helper for persistent reservations.
    #[xml(child)]
    pub reservations: Option<Manager>,
    /// Path as the image above has it, where that is relative.
    #[xml(child_text = "relPath")]
    pub relative_path: Option<String>,
    /// Objects that QEMU has for it.
    #[xml(child)]
    pub objects: Option<Objects>,
    /// Sets of descriptors that QEMU has for it.
    #[xml(child)]
    pub fdsets: Option<FdSets>,
    /// How a threshold event is told.
    #[xml(child = "thresholdEvent")]
    pub threshold: Option<ThresholdEvent>,
    /// The nbdkit that serves it.
    #[xml(child)]
    pub nbdkit: Option<Nbdkit>,
    /// What another version keeps.
    #[xml(rest)]
    pub rest: Vec<Tree>,
}

/// `<nodenames>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct NodeNames {
    /// Each one.
    #[xml(child = "nodename")]
    pub names: Vec<NodeName>,
}

/// `<nodename type=… name=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct NodeName {
    /// `storage`, `format`, `slice-storage`; of a disk `copyOnRead`, `throttle-filter`.
    #[xml(attr = "type")]
    pub kind: String,
    /// QEMU's name of it.
    #[xml(attr)]
    pub name: String,
    /// The group of a throttle filter.
    #[xml(attr)]
    pub group: Option<String>,
}

impl NodeName {
    /// A node.
    pub fn new(kind: &str, name: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            name: name.into(),
            group: None,
        }
    }
}

impl NodeNames {
    /// Name of the node of that type.
    pub fn of(&self, kind: &str) -> Option<&str> {
        let found = self.names.iter().find(|node| node.kind == kind);
        found.map(|node| node.name.as_str())
    }
}

/// `<reservations mgralias=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Manager {
    /// QEMU's name of the helper.
    #[xml(attr)]
    pub mgralias: String,
}

/// `<objects>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct Objects {
    /// Secrets.
    #[xml(child = "secret")]
    pub secrets: Vec<SecretObject>,
    /// Certificates.
    #[xml(child = "TLSx509")]
    pub tls: Option<ObjectAlias>,
}

impl Objects {
    /// Whether there is a secret for that.
    pub fn has(&self, kind: &str) -> bool {
        self.secrets.iter().any(|secret| secret.kind == kind)
    }
}

/// `<secret type=… alias=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct SecretObject {
    /// `auth`, `encryption`, `httpcookie`, `tlskey`.
    #[xml(attr = "type")]
    pub kind: String,
    /// QEMU's name of it.
    #[xml(attr)]
    pub alias: String,
}

/// `<TLSx509 alias=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct ObjectAlias {
    /// QEMU's name of it.
    #[xml(attr)]
    pub alias: String,
}

/// `<fdsets>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct FdSets {
    /// Each one.
    #[xml(child = "fdset")]
    pub sets: Vec<FdSet>,
}

/// `<fdset type=… id=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct FdSet {
    /// `storage`.
    #[xml(attr = "type")]
    pub kind: String,
    /// Its number.
    #[xml(attr)]
    pub id: u32,
}

/// `<thresholdEvent indexUsed=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct ThresholdEvent {
    /// Whether the image was named by its number.
    #[xml(attr = "indexUsed")]
    pub index_used: YesNo,
}

/// `<nbdkit>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Nbdkit {
    /// File with its process id.
    #[xml(child_text)]
    pub pidfile: Option<String>,
    /// Its socket.
    #[xml(child_text)]
    pub socketfile: Option<String>,
}

/// Where a volume of a pool is in truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActualPlace {
    /// `file`, `block` or `dir`.
    pub kind: super::StorageKind,
    /// Its path.
    pub path: Option<String>,
}

/// `<privateData>` of a disk.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct DiskState {
    /// Path of its device in QEMU's tree, or its alias.
    #[xml(child)]
    pub qom: Option<super::Named>,
    /// Filters above its images.
    #[xml(child)]
    pub nodenames: Option<NodeNames>,
    /// What another version keeps.
    #[xml(rest)]
    pub rest: Vec<Tree>,
}
