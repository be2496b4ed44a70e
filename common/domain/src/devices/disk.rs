//! `<disk>`.
//!
//! Facts: formatdomain "Hard drives, floppy disks, CDROMs"; domaincommon.rng `disk`; the texts of
//! refusals are the stock daemon's.

mod check;
mod driver;

pub use super::iotune::IoTune;
pub use check::check_all;
pub use driver::{
    DetectZeroes, Discard, DiskCache, DiskDriver, DiskIo, ErrorPolicy, IothreadMap, IothreadQueues,
    QueueId,
};

use super::info::DeviceInfo;
use super::storage::{
    Auth, BackingStore, DiskState, Encryption, Location, Mirror, Named, StorageFormat, StorageKind,
    StorageSource, write_source,
};
use super::virtio::VirtioModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer, YesNo};

/// What the guest takes a disk for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Words)]
pub enum DiskDevice {
    /// A hard disk.
    #[default]
    Disk,
    /// A CD-ROM drive.
    Cdrom,
    /// A floppy drive.
    Floppy,
    /// A SCSI logical unit that takes the guest's commands.
    Lun,
}

/// The bus a disk is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum DiskBus {
    /// IDE.
    Ide,
    /// The floppy controller.
    Fdc,
    /// SCSI.
    Scsi,
    /// virtio-blk.
    Virtio,
    /// Xen's.
    Xen,
    /// USB storage.
    Usb,
    /// User mode Linux's.
    Uml,
    /// SATA.
    Sata,
    /// An SD card slot.
    Sd,
}

/// Whether a snapshot of the guest includes the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum DiskSnapshot {
    /// It doesn't.
    No,
    /// Inside the image.
    Internal,
    /// In another file.
    External,
    /// Somebody else takes it.
    Manual,
}

/// `sgio`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum Sgio {
    /// Only harmless SCSI commands.
    Filtered,
    /// All SCSI commands.
    Unfiltered,
}

/// One disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Disk {
    /// What kind of place its source is.
    pub kind: StorageKind,
    /// What the guest takes it for.
    pub device: DiskDevice,
    /// The revision of virtio.
    pub model: Option<VirtioModel>,
    /// Whether the guest's process may use raw SCSI commands.
    pub rawio: Option<YesNo>,
    /// Which SCSI commands the host lets through.
    pub sgio: Option<Sgio>,
    /// Whether snapshots include it.
    pub snapshot: Option<DiskSnapshot>,
    /// Options of the back end.
    pub driver: Option<DiskDriver>,
    /// Who may use the server, written outside the source.
    pub auth: Option<Auth>,
    /// Where its bytes are; absent: a drive without a medium.
    pub source: Option<StorageSource>,
    /// What the image is based upon; absent: to be read from the image.
    pub backing: Option<BackingStore>,
    /// Xen's.
    pub backend_domain: Option<Named>,
    /// What the guest's firmware is told.
    pub geometry: Option<Geometry>,
    /// Block sizes the guest sees.
    pub blockio: Option<BlockIo>,
    /// A running copy; live only.
    pub mirror: Option<Mirror>,
    /// How the guest sees it.
    pub target: Target,
    /// Limits.
    pub iotune: Option<IoTune>,
    /// Names of throttle groups.
    pub throttle_filters: Option<ThrottleFilters>,
    /// The guest can't write.
    pub readonly: bool,
    /// Other guests use it at the same time.
    pub shareable: bool,
    /// What is written is dropped at the end.
    pub transient: Option<Transient>,
    /// Serial number.
    pub serial: Option<String>,
    /// World wide name: 16 hexadecimal digits.
    pub wwn: Option<String>,
    /// SCSI vendor: at most 8 printable characters.
    pub vendor: Option<String>,
    /// SCSI product: at most 16 printable characters.
    pub product: Option<String>,
    /// How it is encrypted, written outside the source.
    pub encryption: Option<Encryption>,
    /// What every device has.
    pub info: DeviceInfo,
    /// What the driver keeps of it; status files only.
    pub state: Option<Box<DiskState>>,
    /// What the image is based upon was read from it, not said by the definition; live only.
    pub chain_found: bool,
}

/// `<geometry …/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Geometry {
    /// Cylinders; 0: not said.
    #[xml(attr, default)]
    pub cyls: u32,
    /// Heads; 0: not said.
    #[xml(attr, default)]
    pub heads: u32,
    /// Sectors a track; 0: not said.
    #[xml(attr, default)]
    pub secs: u32,
    /// Translation by the BIOS.
    #[xml(attr)]
    pub trans: Option<GeometryTranslation>,
}

impl Geometry {
    /// Whether all of it is said; only then it is kept.
    pub fn is_whole(&self) -> bool {
        self.cyls > 0 && self.heads > 0 && self.secs > 0
    }
}

/// `trans`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum GeometryTranslation {
    /// As the firmware likes.
    Auto,
    /// None.
    None,
    /// By logical block addresses.
    Lba,
}

/// `<blockio …/>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct BlockIo {
    /// Bytes.
    #[xml(attr)]
    pub logical_block_size: Option<u32>,
    /// Bytes.
    #[xml(attr)]
    pub physical_block_size: Option<u32>,
    /// Bytes.
    #[xml(attr)]
    pub discard_granularity: Option<u32>,
}

impl BlockIo {
    /// Sizes of 0 are not said.
    fn settled(self) -> Option<Self> {
        let said = |size: Option<u32>| size.filter(|size| *size > 0);
        let settled = Self {
            logical_block_size: said(self.logical_block_size),
            physical_block_size: said(self.physical_block_size),
            discard_granularity: said(self.discard_granularity),
        };
        (settled != Self::default()).then_some(settled)
    }
}

/// `<target …/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Target {
    /// Name that orders the disks of a bus: `vda`, `sdb`, `hdc`, `fda`.
    #[xml(attr)]
    pub dev: String,
    /// The bus; filled in from the name.
    #[xml(attr)]
    pub bus: Option<DiskBus>,
    /// Whether the tray is open.
    #[xml(attr)]
    pub tray: Option<Tray>,
    /// Whether the guest may eject a USB disk.
    #[xml(attr)]
    pub removable: Option<OnOff>,
    /// 1: no moving parts; else rounds a minute. Never 0.
    #[xml(attr)]
    pub rotation_rate: Option<u32>,
    /// Whether the name was written as Xen's own tools once did, which gives it no place among the
    /// others.
    #[xml(skip)]
    pub was_prefixed: bool,
}

/// `tray`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum Tray {
    /// Closed.
    Closed,
    /// Open.
    Open,
}

/// `<transient …/>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct Transient {
    /// Whether guests that run at the same time share the image below.
    #[xml(attr = "shareBacking")]
    pub share_backing: Option<YesNo>,
}

/// `<throttlefilters>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct ThrottleFilters {
    /// From the disk to the guest.
    #[xml(child = "throttlefilter")]
    pub filters: Vec<ThrottleFilter>,
}

/// `<throttlefilter group=…/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct ThrottleFilter {
    /// Name of a `<throttlegroup>`.
    #[xml(attr)]
    pub group: String,
}

impl Element for Disk {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let kind = node.attr("type")?.unwrap_or_default();
        let device = node.attr("device")?.unwrap_or_default();
        let model = node.attr("model")?;
        let rawio = node.attr("rawio")?;
        let sgio = node.attr("sgio")?;
        let snapshot = node.attr("snapshot")?;
        let source = node.child_with("source", |n| StorageSource::read(n, kind))?;
        let disk = Self {
            kind,
            device,
            model,
            rawio,
            sgio,
            snapshot,
            driver: node.child_with("driver", read_driver)?,
            auth: Auth::read_checked(node)?,
            backing: node.child("backingStore")?,
            backend_domain: node.child("backenddomain")?,
            geometry: node.child("geometry")?,
            blockio: node.child::<BlockIo>("blockio")?.and_then(BlockIo::settled),
            mirror: Mirror::read_live(node)?,
            target: match node.child::<Target>("target")? {
                Some(mut target) => {
                    target.rotation_rate = target.rotation_rate.filter(|rate| *rate > 0);
                    // What Xen's own tools once wrote in front.
                    if let Some(name) = target.dev.strip_prefix("ioemu:") {
                        target.dev = name.to_owned();
                        target.was_prefixed = true;
                    }
                    target
                }
                None => return Err(no_target(source.as_ref())),
            },
            iotune: node.child("iotune")?.map(|mut iotune: IoTune| {
                iotune.settle();
                iotune
            }),
            throttle_filters: node
                .child::<ThrottleFilters>("throttlefilters")?
                .filter(|filters| *filters != ThrottleFilters::default()),
            readonly: node.flag("readonly"),
            shareable: node.flag("shareable"),
            transient: node.child("transient")?,
            serial: said(node, "serial")?,
            wwn: said(node, "wwn")?,
            vendor: said(node, "vendor")?,
            product: said(node, "product")?,
            encryption: node.child("encryption")?,
            state: match node.is_of_driver() {
                true => node.child("privateData")?,
                false => None,
            },
            // Who wrote the file had looked.
            chain_found: node.is_of_driver(),
            info: DeviceInfo::read(node)?,
            source,
        };
        if node.is_of_driver() {
            // It says what is seen by where those elements stand.
            node.child_with("diskSecretsPlacement", |node| {
                node.attr_text("auth");
                node.attr_text("enc");
                Ok(())
            })?;
        }
        disk.check()?;
        Ok(disk)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("type", &self.kind);
        tag.attr("device", &self.device);
        tag.maybe("model", &self.model);
        tag.maybe("rawio", &self.rawio);
        tag.maybe("sgio", &self.sgio);
        tag.maybe("snapshot", &self.snapshot);
    }

    fn content(&self, out: &mut Writer) {
        out.maybe("driver", self.driver.as_ref());
        out.maybe("auth", self.auth.as_ref());
        write_source(out, self.source.as_ref());
        out.maybe("backingStore", self.backing.as_ref());
        out.maybe("backenddomain", self.backend_domain.as_ref());
        let whole = self.geometry.as_ref().filter(|g| g.is_whole());
        out.maybe("geometry", whole);
        out.maybe("blockio", self.blockio.as_ref());
        out.maybe("mirror", self.mirror.as_ref());
        // That of a SCSI disk reaches QEMU only.
        let removable = self.target.removable.filter(|_| self.bus() == DiskBus::Usb);
        let target = Target {
            removable,
            ..self.target.clone()
        };
        out.element("target", &target);
        out.maybe("throttlefilters", self.throttle_filters.as_ref());
        if let Some(iotune) = self.iotune.as_ref().filter(|t| t.limits()) {
            out.element("iotune", iotune);
        }
        if self.readonly {
            out.empty("readonly");
        }
        if self.shareable {
            out.empty("shareable");
        }
        out.maybe("transient", self.transient.as_ref());
        for (name, value) in [
            ("serial", &self.serial),
            ("wwn", &self.wwn),
            ("vendor", &self.vendor),
            ("product", &self.product),
        ] {
            if let Some(value) = value {
                out.text_element(name, value);
            }
        }
        out.maybe("encryption", self.encryption.as_ref());
        self.info.content(out);
        if out.is_of_driver() {
            out.maybe("privateData", self.state.as_ref());
            if self.auth.is_some() || self.encryption.is_some() {
                let said = |tag: &mut Tag<'_>, name, outside| {
                    if outside {
                        tag.text(name, "true");
                    }
                };
                out.open(
                    "diskSecretsPlacement",
                    |tag| {
                        said(tag, "auth", self.auth.is_some());
                        said(tag, "enc", self.encryption.is_some());
                    },
                    |_| {},
                );
            }
        }
    }
}

/// The text of a child; an empty one is none.
fn said(node: &mut Node<'_>, name: &str) -> Result<Option<String>> {
    Ok(node
        .child_text::<String>(name)?
        .filter(|text| !text.is_empty()))
}

/// `<driver>`, whose format has a refusal of its own.
fn read_driver(node: &mut Node<'_>) -> Result<DiskDriver> {
    let mut attributes = node.tree().attributes.iter();
    if let Some((_, format)) = attributes.find(|(name, _)| name == "type")
        && StorageFormat::from_word(format).is_none()
    {
        return Err(unsupported(format!(
            "unknown driver format value '{format}'"
        )));
    }
    let mut driver = DiskDriver::read(node)?;
    if driver.iothread == Some(0) {
        return Err(wrong(
            "Invalid value for attribute 'iothread' in element 'driver': Zero is not permitted",
        ));
    }
    for number in [&mut driver.queues, &mut driver.queue_size] {
        *number = number.filter(|number| *number > 0);
    }
    driver.metadata_cache = driver.metadata_cache.filter(|cache| cache.says_something());
    Ok(driver)
}

fn no_target(source: Option<&StorageSource>) -> Error {
    match source.and_then(StorageSource::shown) {
        Some(place) => Error::new(ErrorCode::NoTarget, ErrorDomain::Domain, place),
        None => Error::bare(ErrorCode::NoTarget, ErrorDomain::Domain),
    }
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, text)
}

fn internal(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Domain, text)
}

fn wrong(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

/// The names of disks: a prefix that says the bus, and letters that count in base 26, then digits
/// that are not used. From 0; nothing when `name` is no such name.
pub fn index_of_name(name: &str) -> Option<u32> {
    const PREFIXES: [&str; 6] = ["fd", "hd", "vd", "sd", "xvd", "ubd"];
    let rest = PREFIXES.iter().find_map(|p| name.strip_prefix(p))?;
    let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
    if letters.is_empty() {
        return None;
    }
    let mut index: u32 = 0;
    for letter in letters.bytes() {
        let digit = letter.checked_sub(b'a').filter(|d| *d < 26)?;
        index = index.checked_mul(26)?.checked_add(u32::from(digit) + 1)?;
    }
    // Numbers beyond what any bus holds overflow the addresses computed from them.
    Some(index - 1).filter(|i| *i < 1 << 24)
}

impl Disk {
    /// Its name, `vda`.
    pub fn name(&self) -> &str {
        &self.target.dev
    }

    /// Its bus: given, or by its name and kind of drive.
    pub fn bus(&self) -> DiskBus {
        if let Some(bus) = self.target.bus {
            return bus;
        }
        match self.device {
            DiskDevice::Floppy => DiskBus::Fdc,
            _ => match &self.target.dev {
                dev if dev.starts_with("hd") => DiskBus::Ide,
                dev if dev.starts_with("sd") => DiskBus::Scsi,
                dev if dev.starts_with("vd") => DiskBus::Virtio,
                dev if dev.starts_with("xvd") => DiskBus::Xen,
                dev if dev.starts_with("ubd") => DiskBus::Uml,
                dev if dev.starts_with("fd") && self.device != DiskDevice::Cdrom => DiskBus::Fdc,
                _ => DiskBus::Ide,
            },
        }
    }

    /// Whether what is written is dropped at the end while other guests use the same image.
    pub fn shares_backing(&self) -> bool {
        self.transient.and_then(|t| t.share_backing) == Some(YesNo::Yes)
    }

    /// Whether the drive holds nothing.
    pub fn is_empty(&self) -> bool {
        self.source.as_ref().is_none_or(StorageSource::is_empty)
    }

    /// Its format, once it is filled in.
    pub fn format(&self) -> Option<StorageFormat> {
        self.driver.as_ref().and_then(|d| d.format)
    }

    /// The driver's options, put there if there were none.
    pub fn driver_mut(&mut self) -> &mut DiskDriver {
        self.driver.get_or_insert_default()
    }

    /// Where the source is, as messages name it.
    pub fn shown_source(&self) -> &str {
        self.source
            .as_ref()
            .and_then(StorageSource::shown)
            .unwrap_or_default()
    }

    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
        self.hide_running();
        self.chain_found = false;
        self.state = None;
        self.forget_nodes();
    }

    /// Takes away what a document without state does not show.
    pub(super) fn hide_running(&mut self) {
        self.mirror = None;
        if self.chain_found {
            self.backing = None;
        }
    }

    /// Takes away the cookies with which servers are asked.
    pub(super) fn hide_secrets(&mut self) {
        hide_cookies(self.source.as_mut());
        let mut backing = self.backing.as_mut();
        while let Some(BackingStore::Image(image)) = backing {
            hide_cookies(image.source.as_mut());
            backing = image.backing.as_mut();
        }
    }

    /// Whether there is anything [`Disk::hide_secrets`] takes away.
    pub(super) fn has_secrets(&self) -> bool {
        let mut backing = self.backing.as_ref();
        let mut found = has_cookies(self.source.as_ref());
        while let Some(BackingStore::Image(image)) = backing {
            found |= has_cookies(image.source.as_ref());
            backing = image.backing.as_ref();
        }
        found
    }

    /// Takes away the numbers of block nodes and what labelling left.
    pub fn forget_nodes(&mut self) {
        strip_source(self.source.as_mut());
        strip_backing(self.backing.as_mut());
    }

    /// How the host caches it: what several guests write to must not stay in the cache of one.
    pub fn cache(&self) -> Option<DiskCache> {
        let given = self.driver.as_ref().and_then(|d| d.cache);
        match given {
            None | Some(DiskCache::Default) if self.shareable && !self.readonly => {
                Some(DiskCache::None)
            }
            other => other,
        }
    }
}

fn hide_cookies(source: Option<&mut StorageSource>) {
    if let Some(Location::Network(network)) = source.map(|source| &mut source.location) {
        network.cookies = None;
    }
}

fn has_cookies(source: Option<&StorageSource>) -> bool {
    matches!(source.map(|s| &s.location), Some(Location::Network(network)) if network.cookies.is_some())
}

fn strip_source(source: Option<&mut StorageSource>) {
    if let Some(source) = source {
        source.index = None;
        source.state = None;
        source.actual = None;
        source.seclabels.retain(|s| s.labelskip != Some(YesNo::Yes));
    }
}

fn strip_backing(backing: Option<&mut BackingStore>) {
    if let Some(BackingStore::Image(image)) = backing {
        image.index = None;
        strip_source(image.source.as_mut());
        strip_backing(image.backing.as_mut());
    }
}

#[cfg(test)]
mod tests;
