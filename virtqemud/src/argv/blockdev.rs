//! Block nodes: what QEMU opens for an image and everything below it.
//!
//! Each image is a protocol node `libvirt-N-storage` and, where the bytes are not the guest's as
//! they are, a format node `libvirt-N-format` on top. Facts: QEMU's QAPI schema of
//! `BlockdevOptions`; WIRE.md section 30.

use super::network;
use super::props::Props;
use serde_json::{Value, json};
use virt_domain::devices::disk::{DetectZeroes, Discard, Disk, DiskCache, DiskDevice, DiskIo};
use virt_domain::devices::storage::{
    BackingStore, EncryptionFormat, Location, StorageFormat, StorageSource,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::OnOff;

/// The nodes of one disk.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// In the order in which they are made, each after those it refers to.
    pub(super) nodes: Vec<Props>,
    /// Name of the one the device uses.
    pub(super) top: String,
}

/// Options that hold for every image of a disk.
struct Options {
    cache: Option<DiskCache>,
    discard: Option<Discard>,
    io: Option<DiskIo>,
    /// Whether the drive of the host itself is handed over.
    cdrom: bool,
    floppy: bool,
}

/// What is done with one image.
struct Image<'a> {
    source: &'a StorageSource,
    number: u32,
    format: StorageFormat,
    read_only: bool,
    detect_zeroes: Option<DetectZeroes>,
    no_unref: Option<OnOff>,
    /// Bytes for the cache of a qcow2 image's tables.
    metadata_cache: Option<u64>,
    backing: Backing,
}

/// What an image is based upon.
enum Backing {
    /// QEMU reads it from the image.
    Unsaid,
    /// Nothing.
    Nothing,
    /// The node of that name.
    Node(String),
}

/// Whether the block device at `path` is a CD-ROM drive of the host is asked by `is_cdrom_drive`.
pub(super) fn nodes(disk: &Disk, is_cdrom_drive: impl Fn(&str) -> bool) -> Result<Option<Nodes>> {
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
            && matches!(&source.location, Location::Block { path: Some(path) } if is_cdrom_drive(path)),
        floppy: disk.device == DiskDevice::Floppy,
    };
    let mut out = Nodes::default();
    let backing = below(&mut out, disk.backing.as_ref(), &options)?;
    let top = Image {
        source,
        number: source.index.unwrap_or(0),
        format,
        read_only: disk.readonly,
        detect_zeroes: driver.and_then(|d| d.detect_zeroes),
        no_unref: driver.and_then(|d| d.discard_no_unref),
        metadata_cache: driver
            .and_then(|d| d.metadata_cache.as_ref()?.max_size)
            .map(|s| s.0),
        backing,
    };
    out.top = image(&mut out, &top, &options)?;
    Ok(Some(out))
}

/// The nodes of what an image is based upon, the lowest one first.
fn below(out: &mut Nodes, backing: Option<&BackingStore>, options: &Options) -> Result<Backing> {
    let mut chain = Vec::new();
    let mut next = backing;
    let mut end = Backing::Unsaid;
    loop {
        match next {
            None => break,
            Some(BackingStore::End) => {
                end = Backing::Nothing;
                break;
            }
            Some(BackingStore::Image(backing)) => {
                chain.push(backing);
                next = backing.backing.as_ref();
            }
        }
    }
    let mut state = end;
    for backing in chain.into_iter().rev() {
        let Some(source) = &backing.source else {
            continue;
        };
        let format = backing.format.as_ref();
        let node = Image {
            source,
            number: backing.index.or(source.index).unwrap_or(0),
            format: format.map_or(StorageFormat::Raw, |f| f.kind),
            read_only: true,
            detect_zeroes: None,
            no_unref: None,
            metadata_cache: format
                .and_then(|f| f.metadata_cache.as_ref()?.max_size)
                .map(|s| s.0),
            backing: state,
        };
        // QEMU is never to open what the definition does not name.
        state = Backing::Node(image(out, &node, options)?);
    }
    Ok(state)
}

/// The nodes of one image; returns the name of its top one.
fn image(out: &mut Nodes, image: &Image, options: &Options) -> Result<String> {
    let storage = format!("libvirt-{}-storage", image.number);
    let name = format!("libvirt-{}-format", image.number);
    let data_file = match &image.source.data_store {
        None => None,
        Some(store) => {
            let source = store.source.as_ref().ok_or_else(|| {
                unsupported("a <dataStore> without a <source> can't be opened; add one")
            })?;
            let number = source.index.unwrap_or(0);
            let node = format!("libvirt-{number}-storage");
            out.nodes.push(
                protocol(source, options)?
                    .with("node-name", node.clone())
                    .with("read-only", image.read_only)
                    .maybe("discard", options.discard.map(Discard::word))
                    .maybe("cache", cache(options.cache)),
            );
            Some(node)
        }
    };
    let flags = |props: Props| {
        props
            .with("read-only", image.read_only)
            .maybe("discard", options.discard.map(Discard::word))
            .maybe("detect-zeroes", detect_zeroes(image, options))
            .maybe("cache", cache(options.cache))
    };
    let bare = protocol(image.source, options)?.with("node-name", storage.clone());
    if !has_format_node(image) {
        out.nodes.push(flags(bare));
        return Ok(storage);
    }
    out.nodes.push(
        bare.with("auto-read-only", true)
            .with("discard", "unmap")
            .maybe("cache", cache(options.cache)),
    );
    let mut node = flags(Props::of("node-name", name.clone()));
    node.put("driver", format_driver(image)?);
    if let Some(slice) = image.source.slice() {
        node.put("offset", slice.offset);
        node.put("size", slice.size);
    }
    if image.no_unref == Some(OnOff::On) {
        node.put("discard-no-unref", true);
    }
    if let Some(bytes) = image.metadata_cache {
        node.put("cache-size", bytes);
    }
    if let Some(data_file) = data_file {
        node.put("data-file", data_file);
    }
    node.put("file", storage);
    match &image.backing {
        Backing::Node(node_below) if has_backing(image.format) => {
            node.put("backing", node_below.clone());
        }
        Backing::Nothing if has_backing(image.format) => node.put("backing", Value::Null),
        _ => {}
    }
    out.nodes.push(node);
    Ok(name)
}

fn has_format_node(image: &Image) -> bool {
    image.format != StorageFormat::Raw
        || image.source.slice().is_some()
        || image.source.encryption.is_some()
        || matches!(image.source.location, Location::Dir { .. })
}

fn has_backing(format: StorageFormat) -> bool {
    matches!(
        format,
        StorageFormat::Qcow | StorageFormat::Qcow2 | StorageFormat::Qed | StorageFormat::Vmdk
    )
}

/// QEMU's driver of a format.
fn format_driver(image: &Image) -> Result<&'static str> {
    use StorageFormat as F;
    Ok(match image.format {
        F::Raw
            if image.source.encryption.as_ref().is_some_and(|e| {
                matches!(e.format, EncryptionFormat::Luks | EncryptionFormat::Default)
            }) =>
        {
            "luks"
        }
        F::Raw | F::Fat => "raw",
        F::Luks => "luks",
        F::Ploop => "parallels",
        F::Vhd => "vhdx",
        F::Qcow | F::Qcow2 | F::Qed | F::Vmdk | F::Vpc | F::Vdi | F::Bochs | F::Cloop | F::Dmg => {
            image.format.word()
        }
        F::Dir | F::Iso | F::Cow | F::Aio => {
            return Err(unsupported(format!(
                "'{}' storage format is not supported",
                image.format
            )));
        }
    })
}

fn detect_zeroes(image: &Image, options: &Options) -> Option<&'static str> {
    match image.detect_zeroes? {
        // Without discards there is nothing zeroes could be turned into.
        DetectZeroes::Unmap if options.discard != Some(Discard::Unmap) => Some("on"),
        other => Some(other.word()),
    }
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

/// Whether the device acknowledges writes before they are on the disk.
pub(super) fn write_cache(mode: Option<DiskCache>) -> Option<bool> {
    match mode? {
        DiskCache::Default => None,
        DiskCache::Directsync | DiskCache::Writethrough => Some(false),
        DiskCache::None | DiskCache::Writeback | DiskCache::Unsafe => Some(true),
    }
}

/// A protocol node without its name.
fn protocol(source: &StorageSource, options: &Options) -> Result<Props> {
    let plain = |driver: &str, path: &Option<String>| {
        Props::of("driver", driver)
            .with("filename", path.clone().unwrap_or_default())
            .maybe("aio", options.io.map(DiskIo::word))
    };
    Ok(match &source.location {
        Location::File {
            path,
            fdgroup: None,
        } => plain("file", path),
        Location::Block { path } if options.cdrom => plain("host_cdrom", path),
        Location::Block { path } => plain("host_device", path),
        Location::Dir { path } => Props::of("driver", "vvfat")
            .with("dir", path.clone().unwrap_or_default())
            .with("floppy", options.floppy)
            .with("rw", false),
        Location::Network(network) => network::protocol(network, source)?,
        Location::Nvme {
            namespace, address, ..
        } => Props::of("driver", "nvme")
            .with("device", address.to_string())
            .with("namespace", *namespace),
        Location::File { .. } => {
            return Err(unsupported("disks from a group of file descriptors"));
        }
        Location::Volume { .. } => {
            return Err(unsupported("disks from a volume of a storage pool"));
        }
        Location::VhostUser { .. } => {
            return Err(unsupported("a block node for a vhost-user disk"));
        }
        Location::VhostVdpa { .. } => return Err(unsupported("vhost-vdpa disks")),
    })
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes_of(xml: &str) -> Vec<String> {
        let (disk, _) = virt_xml::read::<Disk>(xml).unwrap();
        let nodes = nodes(&disk, |_| false).unwrap().unwrap();
        nodes.nodes.iter().map(Props::json).collect()
    }

    #[test]
    fn a_raw_file_is_one_node() {
        assert_eq!(
            nodes_of(
                "<disk><driver type='raw'/><source file='/a' index='1'/><target dev='vda'/></disk>"
            ),
            [
                r#"{"driver":"file","filename":"/a","node-name":"libvirt-1-storage","read-only":false}"#
            ]
        );
    }

    #[test]
    fn a_chain_ends_where_the_definition_says() {
        assert_eq!(
            nodes_of(
                "<disk><driver type='qcow2' cache='none' io='native'/><source file='/a' index='1'/>
                 <backingStore type='block' index='2'><format type='raw'/><source dev='/b'/>
                 <backingStore/></backingStore><target dev='vda'/></disk>"
            ),
            [
                r#"{"driver":"host_device","filename":"/b","aio":"native","node-name":"libvirt-2-storage","read-only":true,"cache":{"direct":true,"no-flush":false}}"#,
                r#"{"driver":"file","filename":"/a","aio":"native","node-name":"libvirt-1-storage","auto-read-only":true,"discard":"unmap","cache":{"direct":true,"no-flush":false}}"#,
                r#"{"node-name":"libvirt-1-format","read-only":false,"cache":{"direct":true,"no-flush":false},"driver":"qcow2","file":"libvirt-1-storage","backing":"libvirt-2-storage"}"#,
            ]
        );
    }
}
