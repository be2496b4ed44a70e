//! `<filesystem>`.
//!
//! Facts: formatdomain "Filesystems"; domaincommon.rng `filesystem`.

use super::info::DeviceInfo;
use super::storage::StorageFormat;
use super::virtio::{VirtioModel, VirtioOptions};
use virt_error::Result;
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer};

/// What is mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum FilesystemKind {
    /// A directory of the host.
    #[default]
    Mount,
    /// A block device.
    Block,
    /// An image.
    File,
    /// A container template.
    Template,
    /// Memory.
    Ram,
    /// A directory of the guest itself.
    Bind,
}

/// One file system.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Filesystem {
    /// What is mounted.
    #[xml(attr = "type", default)]
    pub kind: FilesystemKind,
    /// How owners and modes map.
    #[xml(attr)]
    pub accessmode: Option<AccessMode>,
    /// The revision of virtio.
    #[xml(attr)]
    pub model: Option<VirtioModel>,
    /// What happens to several devices below one mount.
    #[xml(attr)]
    pub multidevs: Option<Multidevs>,
    /// Mode of new files.
    #[xml(attr)]
    pub fmode: Option<Mode>,
    /// Mode of new directories.
    #[xml(attr)]
    pub dmode: Option<Mode>,
    /// How.
    #[xml(child)]
    pub driver: Option<FilesystemDriver>,
    /// virtiofsd.
    #[xml(child)]
    pub binary: Option<Binary>,
    /// Users and groups of virtiofs.
    #[xml(child)]
    pub idmap: Option<IdMap>,
    /// What.
    #[xml(child)]
    pub source: Option<FilesystemSource>,
    /// Where.
    #[xml(child)]
    pub target: Option<FilesystemTarget>,
    /// The guest can't write.
    #[xml(flag)]
    pub readonly: bool,
    /// Most it can hold.
    #[xml(child)]
    pub space_hard_limit: Option<Limit>,
    /// Most it should hold.
    #[xml(child)]
    pub space_soft_limit: Option<Limit>,
    /// What every device has.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// `accessmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum AccessMode {
    /// As QEMU's user.
    Passthrough,
    /// Kept in attributes.
    Mapped,
    /// As passthrough, failures ignored.
    Squash,
}

/// `multidevs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum Multidevs {
    /// QEMU's own choice.
    Default,
    /// File numbers are mapped.
    Remap,
    /// Only the first device.
    Forbid,
    /// A warning.
    Warn,
}

/// Permissions, octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl virt_xml::Value for Mode {
    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        (text.len() <= 4)
            .then(|| u32::from_str_radix(text, 8).ok())
            .flatten()
            .filter(|mode| *mode <= 0o777)
            .map(Self)
    }

    fn to_text(&self) -> std::borrow::Cow<'_, str> {
        format!("{:04o}", self.0).into()
    }

    fn allowed() -> String {
        "up to three octal digits, such as 0644".to_owned()
    }
}

/// `<driver …>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct FilesystemDriver {
    /// How.
    #[xml(attr = "type")]
    pub kind: Option<FilesystemDriverKind>,
    /// Format of an image.
    #[xml(attr)]
    pub format: Option<StorageFormat>,
    /// `immediate`.
    #[xml(attr)]
    pub wrpolicy: Option<WritePolicy>,
    /// Length of virtiofs's queue.
    #[xml(attr)]
    pub queue: Option<u32>,
    /// virtio transport.
    #[xml(flatten)]
    pub virtio: VirtioOptions,
}

/// `type` of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum FilesystemDriverKind {
    /// 9p by path.
    Path,
    /// 9p by handle; gone from QEMU.
    Handle,
    /// A loop device.
    Loop,
    /// An NBD device.
    Nbd,
    /// Parallels.
    Ploop,
    /// virtiofs.
    Virtiofs,
    /// USB's media transfer protocol.
    Mtp,
}

/// `wrpolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum WritePolicy {
    /// Written to the disk at once.
    Immediate,
}

/// `<binary …>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct Binary {
    /// Path of the program.
    #[xml(attr)]
    pub path: Option<String>,
    /// Extended attributes.
    #[xml(attr)]
    pub xattr: Option<OnOff>,
    /// Caching in the guest.
    #[xml(child)]
    pub cache: Option<BinaryCache>,
    /// How it confines itself.
    #[xml(child)]
    pub sandbox: Option<BinarySandbox>,
    /// Locks.
    #[xml(child)]
    pub lock: Option<BinaryLock>,
    /// Threads.
    #[xml(child)]
    pub thread_pool: Option<ThreadPool>,
    /// Open files.
    #[xml(child)]
    pub openfiles: Option<OpenFiles>,
}

/// `<cache mode=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct BinaryCache {
    /// Which.
    #[xml(attr)]
    pub mode: Option<CacheMode>,
}

/// `mode` of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum CacheMode {
    /// Nothing.
    None,
    /// Everything.
    Always,
}

/// `<sandbox mode=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct BinarySandbox {
    /// Which.
    #[xml(attr)]
    pub mode: Option<SandboxMode>,
}

/// `mode` of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum SandboxMode {
    /// Name spaces.
    Namespace,
    /// chroot.
    Chroot,
}

/// `<lock …/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct BinaryLock {
    /// POSIX locks.
    #[xml(attr)]
    pub posix: Option<OnOff>,
    /// BSD locks.
    #[xml(attr)]
    pub flock: Option<OnOff>,
}

/// `<thread_pool size=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct ThreadPool {
    /// Threads.
    #[xml(attr)]
    pub size: Option<u32>,
}

/// `<openfiles max=…/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct OpenFiles {
    /// At most.
    #[xml(attr)]
    pub max: Option<u64>,
}

/// `<source …>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct FilesystemSource {
    /// Directory of a mount.
    #[xml(attr)]
    pub dir: Option<String>,
    /// Socket of a virtiofsd that runs already.
    #[xml(attr)]
    pub socket: Option<String>,
    /// Block device.
    #[xml(attr)]
    pub dev: Option<String>,
    /// Image.
    #[xml(attr)]
    pub file: Option<String>,
    /// Template.
    #[xml(attr)]
    pub name: Option<String>,
    /// Size of memory.
    #[xml(attr)]
    pub usage: Option<u64>,
    /// Its unit.
    #[xml(attr)]
    pub units: Option<String>,
}

/// `<target dir=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct FilesystemTarget {
    /// Directory of a container, tag in a virtual machine.
    #[xml(attr)]
    pub dir: String,
}

/// `<idmap>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct IdMap {
    /// Users.
    #[xml(child = "uid")]
    pub uids: Vec<IdRange>,
    /// Groups.
    #[xml(child = "gid")]
    pub gids: Vec<IdRange>,
}

/// `<uid …/>`, `<gid …/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct IdRange {
    /// First id in the guest.
    #[xml(attr)]
    pub start: u32,
    /// First id on the host.
    #[xml(attr)]
    pub target: u32,
    /// How many.
    #[xml(attr)]
    pub count: u32,
}

/// A limit in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub u64);

impl Element for Limit {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let unit = node.attr::<String>("unit")?;
        crate::units::bytes(node.text()?, unit.as_deref().unwrap_or("bytes")).map(Self)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.text("unit", "bytes");
    }

    fn content(&self, out: &mut Writer) {
        out.text(&self.0);
    }
}

impl Filesystem {
    /// What only other kinds have says nothing: each kind is found in its own way, and only virtiofs
    /// maps users.
    pub(crate) fn settle(&mut self) {
        use FilesystemKind as K;
        let (kind, maps) = (self.kind, self.is_virtiofs());
        self.idmap = self.idmap.take().filter(|_| maps);
        if let Some(driver) = &mut self.driver {
            driver.queue = driver.queue.filter(|_| maps);
        }
        let Some(source) = &mut self.source else {
            return;
        };
        let folder = matches!(kind, K::Mount | K::Bind);
        source.socket = source.socket.take().filter(|_| folder);
        // Who is at the socket knows the folder.
        let elsewhere = source.socket.is_some();
        source.dir = source.dir.take().filter(|_| folder && !elsewhere);
        source.dev = source.dev.take().filter(|_| kind == K::Block);
        source.file = source.file.take().filter(|_| kind == K::File);
        source.name = source.name.take().filter(|_| kind == K::Template);
        source.usage = source.usage.filter(|_| kind == K::Ram);
        source.units = source.units.take().filter(|_| kind == K::Ram);
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }

    /// Whether a vhost-user process serves it.
    pub fn is_virtiofs(&self) -> bool {
        self.driver_kind() == Some(FilesystemDriverKind::Virtiofs)
    }

    /// How it is done.
    pub fn driver_kind(&self) -> Option<FilesystemDriverKind> {
        self.driver.as_ref().and_then(|d| d.kind)
    }
}
