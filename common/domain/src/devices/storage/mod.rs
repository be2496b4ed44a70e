//! Where the bytes of a disk are: `<source>` and what it consists of.
//!
//! Facts: formatdomain "Hard drives, floppy disks, CDROMs"; domaincommon.rng `diskSource*`;
//! storagecommon.rng.

mod backing;
mod network;
mod secret;
mod state;

pub use backing::{BackingImage, BackingStore, Mirror, MirrorJob, MirrorReady};
pub use network::{
    ConfigFile, Cookie, Cookies, Host, HostTransport, Identity, Initiator, KnownHosts, Named,
    Network, NetworkProtocol, Readahead, Reconnect, Ssl, Timeout,
};
pub use secret::{Auth, Cipher, Encryption, EncryptionEngine, EncryptionFormat, Ivgen, SecretRef};
pub use state::{
    ActualPlace, DiskState, FdSet, FdSets, Manager, Nbdkit, NodeName, NodeNames, ObjectAlias,
    Objects, SecretObject, SourceState, ThresholdEvent,
};

use super::address::PciAddress;
use std::collections::HashSet;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Value, Words, Writer, YesNo};

/// What kind of place a source is: `type` of `<disk>`, `<backingStore>`, `<mirror>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum StorageKind {
    /// A file.
    #[default]
    File,
    /// A block device of the host.
    Block,
    /// A directory, shown as a FAT file system.
    Dir,
    /// A server.
    Network,
    /// A volume of a storage pool.
    Volume,
    /// A namespace of an NVMe controller that the guest's process drives itself.
    Nvme,
    /// A process that speaks vhost-user.
    #[word("vhostuser")]
    VhostUser,
    /// A vDPA device.
    #[word("vhostvdpa")]
    VhostVdpa,
}

/// The format of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum StorageFormat {
    /// Nothing but the bytes.
    Raw,
    /// A directory.
    Dir,
    /// Bochs.
    Bochs,
    /// Compressed loop.
    Cloop,
    /// Apple's.
    Dmg,
    /// An ISO 9660 image.
    Iso,
    /// Virtual PC.
    Vpc,
    /// VirtualBox.
    Vdi,
    /// A directory shown as FAT.
    Fat,
    /// Hyper-V, old.
    Vhd,
    /// Parallels.
    Ploop,
    /// LUKS.
    Luks,
    /// Old Xen.
    Cow,
    /// QEMU's first.
    Qcow,
    /// QEMU's own.
    Qcow2,
    /// QEMU enhanced disk.
    Qed,
    /// VMware.
    Vmdk,
    /// A Xen alias of raw.
    Aio,
}

/// A source's place, by its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Location {
    /// A file; without a path there is no medium.
    File {
        /// Its path.
        path: Option<String>,
        /// Name of a set of descriptors a client handed over.
        fdgroup: Option<String>,
    },
    /// A block device.
    Block {
        /// Its path.
        path: Option<String>,
    },
    /// A directory.
    Dir {
        /// Its path.
        path: Option<String>,
    },
    /// A server.
    Network(Box<Network>),
    /// A volume of a pool.
    Volume {
        /// The pool.
        pool: Option<String>,
        /// The volume.
        volume: Option<String>,
        /// How iSCSI volumes are reached.
        mode: Option<VolumeMode>,
        /// What it turned out to be when the guest started; never written.
        found: Option<Box<FoundVolume>>,
    },
    /// An NVMe namespace.
    Nvme {
        /// Its number.
        namespace: u32,
        /// Whether the controller is taken from the host's driver.
        managed: Option<YesNo>,
        /// The controller on the host.
        address: PciAddress,
    },
    /// A vhost-user process.
    VhostUser {
        /// Path of its socket.
        path: String,
        /// Whether QEMU connects again.
        reconnect: Option<Reconnect>,
    },
    /// A vDPA device.
    VhostVdpa {
        /// Its device node.
        path: String,
    },
}

/// What a volume of a pool is on this host.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundVolume {
    /// Where its bytes are.
    pub location: Location,
    /// Who may use the server, where it is on one.
    pub auth: Option<Auth>,
}

/// How an iSCSI pool's volume is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum VolumeMode {
    /// Through the host's block device.
    Host,
    /// By QEMU's own initiator.
    Direct,
}

/// What happens when a source is missing at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum StartupPolicy {
    /// The start fails.
    Mandatory,
    /// It is dropped after a restore or migration, but not at boot.
    Requisite,
    /// It is dropped.
    Optional,
}

/// `<reservations>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Reservations {
    /// Whether the helper is started for the guest.
    #[xml(attr)]
    pub managed: Option<YesNo>,
    /// The helper's socket.
    #[xml(child)]
    pub source: Option<ReservationsSource>,
}

/// `<source>` of `<reservations>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct ReservationsSource {
    /// `unix`.
    #[xml(attr = "type")]
    pub kind: UnixOnly,
    /// Path of the socket.
    #[xml(attr)]
    pub path: Option<String>,
    /// `client`.
    #[xml(attr)]
    pub mode: Option<ClientOnly>,
}

/// `unix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum UnixOnly {
    /// A UNIX socket.
    Unix,
}

/// `client`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum ClientOnly {
    /// QEMU connects.
    Client,
}

/// `<slices>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Slices {
    /// At most one.
    #[xml(child = "slice")]
    pub slices: Vec<Slice>,
}

impl Slices {
    /// The one that counts: the first of the storage. Others say nothing.
    fn read_first(node: &mut Node<'_>) -> Result<Option<Self>> {
        let first = node.child_with("slices", |node| {
            let mut first = None;
            while node.has("slice") {
                let slice = node.child_with("slice", |node| {
                    let storage = node.attr_text("type") == Some(SliceKind::Storage.word());
                    if storage && first.is_none() {
                        return Slice::read(node).map(Some);
                    }
                    node.attr_text("offset");
                    node.attr_text("size");
                    Ok(None)
                })?;
                first = first.or(slice.flatten());
            }
            Ok(first)
        })?;
        Ok(first.flatten().map(|slice| Self {
            slices: vec![slice],
        }))
    }
}

/// `<slice>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Slice {
    /// What is cut.
    #[xml(attr = "type")]
    pub kind: SliceKind,
    /// First byte.
    #[xml(attr)]
    pub offset: u64,
    /// Bytes.
    #[xml(attr)]
    pub size: u64,
}

/// `type` of `<slice>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum SliceKind {
    /// The place below the format.
    Storage,
}

/// `<seclabel>` of a device's source.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct DeviceSeclabel {
    /// Whose label.
    #[xml(attr)]
    pub model: Option<String>,
    /// Whether the source is labelled.
    #[xml(attr)]
    pub relabel: Option<YesNo>,
    /// `yes` where labelling failed; live only.
    #[xml(attr)]
    pub labelskip: Option<YesNo>,
    /// The label.
    #[xml(child_text)]
    pub label: Option<String>,
}

impl DeviceSeclabel {
    /// The labels of a source; those that say nothing are left out.
    ///
    /// # Errors
    /// XML_ERROR for a label of a source that isn't labelled and the other way round, XML_DETAIL for
    /// two of one security driver.
    pub(crate) fn read_all(node: &mut Node<'_>) -> Result<Vec<Self>> {
        let mut labels: Vec<Self> = node.children("seclabel")?;
        let live = node.is_of_driver();
        let mut models = HashSet::new();
        for own in &mut labels {
            own.labelskip = own.labelskip.filter(|_| live);
            let model = own.model.as_deref().unwrap_or("<null>");
            match (own.relabel, &own.label) {
                (Some(YesNo::No), Some(_)) => {
                    return Err(node.error(format!(
                        "Cannot specify a label if relabelling is turned off. model={model}"
                    )));
                }
                (Some(YesNo::Yes), None) => {
                    return Err(node.error(format!(
                        "Cannot specify relabel if label is missing. model={model}"
                    )));
                }
                (None, Some(_)) => own.relabel = Some(YesNo::Yes),
                _ => {}
            }
            if own.model.is_some() && !models.insert(model.to_owned()) {
                let text = format!("seclabel for model {model} is already provided");
                return Err(Error::new(ErrorCode::XmlDetail, ErrorDomain::Domain, text));
            }
        }
        labels.retain(|own| own.relabel.is_some() || own.labelskip.is_some());
        Ok(labels)
    }
}

/// `<format …/>` of a backing store, data file or mirror.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Format {
    /// Which.
    #[xml(attr = "type")]
    pub kind: StorageFormat,
    /// Cache of its tables.
    #[xml(child)]
    pub metadata_cache: Option<MetadataCache>,
}

/// `<metadata_cache>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct MetadataCache {
    /// Its largest size.
    #[xml(child)]
    pub max_size: Option<ByteSize>,
}

impl MetadataCache {
    /// Whether there is a limit.
    pub fn says_something(&self) -> bool {
        self.max_size.is_some_and(|size| size.0 > 0)
    }
}

/// A size with a unit, kept in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub u64);

impl Element for ByteSize {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let unit = node.attr::<String>("unit")?;
        let number = node.maybe_text::<u64>()?.unwrap_or(0);
        crate::units::bytes(number, unit.as_deref().unwrap_or("bytes")).map(Self)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.text("unit", "bytes");
    }

    fn content(&self, out: &mut Writer) {
        out.text(&self.0);
    }
}

/// `<dataStore>`: the file that holds the data of a qcow2 image.
#[derive(Debug, Clone, PartialEq)]
pub struct DataStore {
    /// Kind of its place.
    pub kind: StorageKind,
    /// Its format: raw.
    pub format: Option<Format>,
    /// Its place.
    pub source: Option<StorageSource>,
}

impl Element for DataStore {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = node.required("type")?;
        Ok(Self {
            kind,
            format: node.child("format")?,
            source: node.child_with("source", |n| StorageSource::read(n, kind))?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.kind);
    }

    fn content(&self, out: &mut Writer) {
        out.maybe("format", self.format.as_ref());
        write_source(out, self.source.as_ref());
    }
}

/// `<source>`.
#[derive(Debug, Clone, PartialEq)]
pub struct StorageSource {
    /// Where.
    pub location: Location,
    /// What if it is missing.
    pub startup_policy: Option<StartupPolicy>,
    /// Number of its block node; live only.
    pub index: Option<u32>,
    /// Part of the place that is used.
    pub slices: Option<Slices>,
    /// The file that holds the data.
    pub data_store: Option<Box<DataStore>>,
    /// Labels.
    pub seclabels: Vec<DeviceSeclabel>,
    /// Who may use the server.
    pub auth: Option<Auth>,
    /// How it is encrypted.
    pub encryption: Option<Encryption>,
    /// SCSI persistent reservations.
    pub reservations: Option<Reservations>,
    /// Where a volume is in truth; status files only.
    pub actual: Option<ActualPlace>,
    /// Whether the driver's configuration decided about TLS; status files only.
    pub tls_from_config: bool,
    /// What the driver keeps of it; status files only.
    pub state: Option<Box<SourceState>>,
}

impl From<Location> for StorageSource {
    fn from(location: Location) -> Self {
        Self {
            location,
            startup_policy: None,
            index: None,
            slices: None,
            data_store: None,
            seclabels: Vec::new(),
            auth: None,
            encryption: None,
            reservations: None,
            actual: None,
            tls_from_config: false,
            state: None,
        }
    }
}

impl StorageSource {
    /// Reads `<source>` as a place of that kind.
    ///
    /// # Errors
    /// XML_ERROR for what is missing or wrong.
    pub fn read(node: &mut Node<'_>, kind: StorageKind) -> Result<Self> {
        let location = Location::read(node, kind)?;
        let source = Self {
            location,
            startup_policy: node.attr("startupPolicy")?,
            // What is no such number is passed over, as the stock daemon does: it counts while a
            // guest runs only.
            index: node.attr_text("index").and_then(u32::from_text),
            slices: Slices::read_first(node)?,
            data_store: node.child("dataStore")?,
            seclabels: DeviceSeclabel::read_all(node)?,
            auth: Auth::read_checked(node)?,
            encryption: node.child("encryption")?,
            reservations: node.child("reservations")?,
            actual: actual_place(node)?,
            tls_from_config: node.is_of_driver()
                && node.attr::<u32>("tlsFromConfig")?.unwrap_or(0) != 0,
            state: match node.is_of_driver() {
                true => node.child("privateData")?,
                false => None,
            },
        };
        source.check()?;
        Ok(source)
    }

    fn check(&self) -> Result<()> {
        if let Some(encryption) = &self.encryption {
            encryption.check()?;
        }
        if self.reservations.as_ref().is_some_and(|r| {
            r.managed == Some(YesNo::No) && r.source.as_ref().is_none_or(|s| s.path.is_none())
        }) {
            return Err(wrong("missing connection type for <reservations/>"));
        }
        match &self.location {
            Location::Network(network) => network.check()?,
            Location::Volume { pool, volume, .. } if pool.is_some() != volume.is_some() => {
                return Err(wrong(
                    "'pool' and 'volume' must be specified together for 'pool' type source",
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Path on the host, where it has one.
    pub fn path(&self) -> Option<&str> {
        self.location.path()
    }

    /// Where the bytes are: of a volume what it turned out to be, as far as it was looked up.
    pub fn place(&self) -> &Location {
        self.location.place()
    }

    /// Who may use the server: as the source says, else as the pool does.
    pub fn credentials(&self) -> Option<&Auth> {
        self.auth.as_ref().or(match &self.location {
            Location::Volume {
                found: Some(found), ..
            } => found.auth.as_ref(),
            _ => None,
        })
    }

    /// Whether there is nothing at that place: a drive without a medium.
    pub fn is_empty(&self) -> bool {
        match &self.location {
            Location::File { path, fdgroup } => path.is_none() && fdgroup.is_none(),
            Location::Block { path } | Location::Dir { path } => path.is_none(),
            Location::Volume { volume, .. } => volume.is_none(),
            Location::Network(network) => {
                network.protocol != NetworkProtocol::Nbd
                    && network.name.is_none()
                    && network.hosts.is_empty()
            }
            _ => false,
        }
    }

    /// The slice that is used, if not everything.
    pub fn slice(&self) -> Option<&Slice> {
        self.slices.as_ref().and_then(|s| s.slices.first())
    }

    /// What a client is told of the place in one word or path: `virsh domblklist`.
    pub fn shown(&self) -> Option<&str> {
        match &self.location {
            Location::Network(network) => network.name.as_deref(),
            Location::Volume { volume, .. } => volume.as_deref(),
            location => location.path(),
        }
    }

    /// Whether nothing at all is said.
    fn is_blank(&self) -> bool {
        let location = &self.location;
        let nowhere = match location {
            Location::File { path, fdgroup } => path.is_none() && fdgroup.is_none(),
            Location::Block { path } | Location::Dir { path } => path.is_none(),
            _ => false,
        };
        nowhere && *self == Self::from(location.clone())
    }

    /// Writes `<source>`, where it says something.
    pub fn write(&self, out: &mut Writer) {
        if self.is_blank() {
            return;
        }
        out.open("source", |tag| self.attrs(tag), |out| self.content(out));
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        self.location.attrs(tag);
        if tag.is_of_driver() {
            if matches!(self.location, Location::Network(_)) {
                tag.attr("tlsFromConfig", &u32::from(self.tls_from_config));
            }
            let looked_up = matches!(self.location, Location::Volume { found: Some(_), .. });
            if let Some(actual) = &self.actual {
                tag.attr("actualType", &actual.kind);
                tag.maybe(path_attribute(actual.kind), &actual.path);
            } else if looked_up && let Some(path) = self.path() {
                let kind = self.place().kind();
                tag.attr("actualType", &kind);
                tag.text(path_attribute(kind), path);
            }
        }
        tag.maybe("startupPolicy", &self.startup_policy);
        tag.maybe("index", &self.index);
    }

    fn content(&self, out: &mut Writer) {
        self.location.content(out);
        out.maybe("slices", self.slices.as_ref());
        out.maybe("dataStore", self.data_store.as_ref());
        for seclabel in &self.seclabels {
            out.element("seclabel", seclabel);
        }
        out.maybe("auth", self.auth.as_ref());
        out.maybe("encryption", self.encryption.as_ref());
        out.maybe("reservations", self.reservations.as_ref());
        if out.is_of_driver() {
            out.maybe("privateData", self.state.as_ref());
        }
    }
}

/// Where a status file says a volume is.
fn actual_place(node: &mut Node<'_>) -> Result<Option<ActualPlace>> {
    if !node.is_of_driver() {
        return Ok(None);
    }
    let Some(kind) = node.attr::<StorageKind>("actualType")? else {
        return Ok(None);
    };
    let path = node.attr(path_attribute(kind))?;
    Ok(Some(ActualPlace { kind, path }))
}

/// The attribute that holds the path of a place.
fn path_attribute(kind: StorageKind) -> &'static str {
    match kind {
        StorageKind::Block => "dev",
        StorageKind::Dir => "dir",
        _ => "file",
    }
}

/// Writes `<source>` if there is one.
pub(crate) fn write_source(out: &mut Writer, source: Option<&StorageSource>) {
    if let Some(source) = source {
        source.write(out);
    }
}

/// Writes a source under another name.
pub(crate) fn write_source_as(out: &mut Writer, name: &str, source: &StorageSource) {
    out.open(name, |tag| source.attrs(tag), |out| source.content(out));
}

impl Location {
    /// The word of its kind.
    pub fn kind(&self) -> StorageKind {
        match self {
            Self::File { .. } => StorageKind::File,
            Self::Block { .. } => StorageKind::Block,
            Self::Dir { .. } => StorageKind::Dir,
            Self::Network(_) => StorageKind::Network,
            Self::Volume { .. } => StorageKind::Volume,
            Self::Nvme { .. } => StorageKind::Nvme,
            Self::VhostUser { .. } => StorageKind::VhostUser,
            Self::VhostVdpa { .. } => StorageKind::VhostVdpa,
        }
    }

    /// Itself; of a volume that was looked up what it turned out to be.
    pub fn place(&self) -> &Self {
        match self {
            Self::Volume {
                found: Some(found), ..
            } => &found.location,
            own => own,
        }
    }

    /// Path on the host, where it has one.
    pub fn path(&self) -> Option<&str> {
        match self.place() {
            Self::File { path, .. } | Self::Block { path } | Self::Dir { path } => path.as_deref(),
            Self::VhostUser { path, .. } | Self::VhostVdpa { path } => Some(path),
            Self::Network(_) | Self::Volume { .. } | Self::Nvme { .. } => None,
        }
    }

    fn read(node: &mut Node<'_>, kind: StorageKind) -> Result<Self> {
        // An empty path is no path.
        let path = |node: &mut Node<'_>, name: &str| -> Result<Option<String>> {
            Ok(node.attr::<String>(name)?.filter(|p| !p.is_empty()))
        };
        Ok(match kind {
            StorageKind::File => Self::File {
                path: path(node, "file")?,
                fdgroup: node.attr("fdgroup")?,
            },
            StorageKind::Block => Self::Block {
                path: path(node, "dev")?,
            },
            StorageKind::Dir => Self::Dir {
                path: path(node, "dir")?,
            },
            StorageKind::Network => {
                let mut network = Network::read(node)?;
                network.settle();
                Self::Network(Box::new(network))
            }
            StorageKind::Volume => Self::Volume {
                pool: node.attr("pool")?,
                volume: node.attr("volume")?,
                mode: node.attr("mode")?,
                found: None,
            },
            StorageKind::Nvme => {
                let transport = node.required::<String>("type")?;
                if transport != "pci" {
                    return Err(node.bad_attr("type", &transport, "'pci'"));
                }
                let address: PciAddress = node.required_child("address")?;
                Self::Nvme {
                    namespace: node.required("namespace")?,
                    managed: Some(node.attr("managed")?.unwrap_or(YesNo::Yes)),
                    // How many functions the host's device has is the host's to know.
                    address: PciAddress {
                        multifunction: None,
                        ..address
                    },
                }
            }
            StorageKind::VhostUser => {
                let transport = node.required::<String>("type")?;
                if transport != "unix" {
                    return Err(node.bad_attr("type", &transport, "'unix'"));
                }
                Self::VhostUser {
                    path: node.required("path")?,
                    reconnect: node.child("reconnect")?,
                }
            }
            StorageKind::VhostVdpa => Self::VhostVdpa {
                path: node.required("dev")?,
            },
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        match self {
            Self::File { path, fdgroup } => {
                tag.maybe("file", path);
                tag.maybe("fdgroup", fdgroup);
            }
            Self::Block { path } => tag.maybe("dev", path),
            Self::Dir { path } => tag.maybe("dir", path),
            Self::Network(network) => network.attrs(tag),
            Self::Volume {
                pool, volume, mode, ..
            } => {
                tag.maybe("pool", pool);
                tag.maybe("volume", volume);
                tag.maybe("mode", mode);
            }
            Self::Nvme {
                namespace, managed, ..
            } => {
                tag.text("type", "pci");
                tag.maybe("managed", managed);
                tag.attr("namespace", namespace);
            }
            Self::VhostUser { path, .. } => {
                tag.text("type", "unix");
                tag.attr("path", path);
            }
            Self::VhostVdpa { path } => tag.attr("dev", path),
        }
    }

    fn content(&self, out: &mut Writer) {
        match self {
            Self::Network(network) => network.content(out),
            Self::Nvme { address, .. } => out.element("address", address),
            Self::VhostUser { reconnect, .. } => out.maybe("reconnect", reconnect.as_ref()),
            _ => {}
        }
    }
}

fn wrong(text: &str) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}
