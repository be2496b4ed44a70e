//! Checks of the images of disks: places, formats, encryption.
//!
//! The texts of refusals are the stock daemon's, as watched.

use super::Context;
use crate::caps::{CapFlag, QemuCaps};
use virt_domain::devices::disk::{Disk, DiskDevice};
use virt_domain::devices::storage::{
    BackingStore, Encryption, EncryptionEngine, EncryptionFormat, HostTransport, Location,
    MetadataCache, Network, NetworkProtocol, StorageFormat, StorageSource,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// One image of a disk.
struct Image<'a> {
    source: &'a StorageSource,
    format: Option<StorageFormat>,
    encryption: Option<&'a Encryption>,
    has_auth: bool,
    metadata_cache: Option<MetadataCache>,
}

/// Every image of the disk, the one the guest writes to first.
fn images(disk: &Disk) -> Vec<Image<'_>> {
    let mut all: Vec<_> = disk
        .source
        .iter()
        .map(|source| Image {
            source,
            format: disk.format(),
            encryption: disk.encryption.as_ref().or(source.encryption.as_ref()),
            has_auth: disk.auth.is_some() || source.auth.is_some(),
            metadata_cache: disk.driver.as_ref().and_then(|d| d.metadata_cache),
        })
        .collect();
    let mut backing = disk.backing.as_ref();
    while let Some(BackingStore::Image(image)) = backing {
        all.extend(image.source.iter().map(|source| Image {
            source,
            format: image.format.as_ref().map(|f| f.kind),
            encryption: source.encryption.as_ref(),
            has_auth: source.auth.is_some(),
            metadata_cache: image.format.as_ref().and_then(|f| f.metadata_cache),
        }));
        backing = image.backing.as_ref();
    }
    all
}

pub(super) fn check(disk: &Disk, context: &Context) -> Result<()> {
    disk.encryption.as_ref().map_or(Ok(()), is_known)?;
    for image in images(disk) {
        let format = image.format.unwrap_or(StorageFormat::Raw);
        place(&image.source.location, image.has_auth, context.caps)?;
        format_of(image.source, image.format)?;
        if let Some(encryption) = image.encryption {
            encrypted(encryption, &image.source.location, format, context.caps)?;
        }
        if image.metadata_cache.is_some_and(|m| m.max_size.is_some())
            && format != StorageFormat::Qcow2
        {
            return Err(unsupported(
                "metadata cache max size control is supported only with qcow2 images",
            ));
        }
        if let Some(store) = &image.source.data_store {
            if format != StorageFormat::Qcow2 {
                return Err(unsupported(
                    "<dataStore> feature available only with qcow2 images",
                ));
            }
            if let Some(format) = &store.format
                && format.kind != StorageFormat::Raw
            {
                return Err(unsupported("only 'raw' images supported as <dataStore>"));
            }
            if let Some(source) = &store.source {
                place(&source.location, source.auth.is_some(), context.caps)?;
            }
        }
        if image.source.reservations.is_some() && disk.device != DiskDevice::Lun {
            return Err(unsupported("<reservations/> allowed only for lun devices"));
        }
        if matches!(image.source.location, Location::Dir { .. }) && !disk.readonly {
            return Err(unsupported(
                "virtual FAT storage can't be accessed in read-write mode",
            ));
        }
    }
    Ok(())
}

fn place(location: &Location, has_auth: bool, caps: &QemuCaps) -> Result<()> {
    match location {
        Location::Network(network) => server(network, has_auth),
        Location::Nvme { namespace: 0, .. } => Err(unsupported("NVMe namespace can't be zero")),
        Location::VhostVdpa { .. } if !caps.has(CapFlag::VirtioBlkVhostVdpa) => Err(unsupported(
            "vhostvdpa disk is not supported with this QEMU binary",
        )),
        _ => Ok(()),
    }
}

fn server(network: &Network, has_auth: bool) -> Result<()> {
    use NetworkProtocol as P;
    let protocol = network.protocol;
    match protocol {
        P::Sheepdog => {
            return Err(unsupported(
                "'sheepdog' protocol is no longer supported by any hypervisor driver",
            ));
        }
        P::Tftp => {
            return Err(unsupported(
                "'tftp' protocol is not supported with this QEMU binary",
            ));
        }
        P::Nfs
            if network
                .hosts
                .iter()
                .any(|host| host.transport.unwrap_or_default() != HostTransport::Tcp) =>
        {
            return Err(unsupported("'nfs' host must use TCP protocol"));
        }
        P::Nfs if network.hosts.iter().any(|host| host.port.is_some()) => {
            return Err(unsupported(
                "port cannot be specified in 'nfs' protocol host",
            ));
        }
        _ => {}
    }
    let knows_users = matches!(
        protocol,
        P::Http | P::Https | P::Ftp | P::Ftps | P::Rbd | P::Iscsi | P::Ssh
    );
    if has_auth && !knows_users {
        return Err(unsupported(format!(
            "authentication is not supported for protocol '{protocol}'"
        )));
    }
    Ok(())
}

fn format_of(source: &StorageSource, format: Option<StorageFormat>) -> Result<()> {
    let is_folder = matches!(source.location, Location::Dir { .. });
    match format {
        Some(StorageFormat::Fat) if is_folder => Ok(()),
        Some(_) if is_folder => Err(unsupported(
            "storage type 'dir' requires use of storage format 'fat'",
        )),
        Some(StorageFormat::Iso) => Err(unsupported(
            "storage format 'iso' is not directly supported by QEMU, use 'raw' instead",
        )),
        Some(StorageFormat::Dir) => Err(unsupported(
            "'directory' storage format is not directly supported by QEMU, use 'dir' disk type \
             instead",
        )),
        Some(StorageFormat::Fat) if !matches!(source.location, Location::Volume { .. }) => Err(
            unsupported("storage format 'fat' is supported only with 'dir' storage type"),
        ),
        Some(format @ (StorageFormat::Cow | StorageFormat::Aio)) => Err(unsupported(format!(
            "'{format}' storage format is not supported"
        ))),
        Some(StorageFormat::Luks) => Err(unsupported("unknown driver format value 'luks'")),
        _ => Ok(()),
    }
}

/// Refused also of a drive without a medium.
fn is_known(encryption: &Encryption) -> Result<()> {
    match encryption.format {
        EncryptionFormat::Default | EncryptionFormat::Qcow => {
            Err(unsupported("old qcow/qcow2 encryption is not supported"))
        }
        EncryptionFormat::Luks => Ok(()),
        _ if encryption.engine == Some(EncryptionEngine::Librbd) => Ok(()),
        other => Err(unsupported(format!(
            "'{other}' is currently not supported by the qemu encryption engine"
        ))),
    }
}

fn encrypted(
    encryption: &Encryption,
    location: &Location,
    format: StorageFormat,
    caps: &QemuCaps,
) -> Result<()> {
    is_known(encryption)?;
    let layers = encryption.secrets.len();
    if encryption.engine != Some(EncryptionEngine::Librbd) {
        if layers > 1 {
            return Err(unsupported(
                "qemu encryption engine expects only a single secret",
            ));
        }
    } else {
        let rbd = matches!(location, Location::Network(n) if n.protocol == NetworkProtocol::Rbd);
        if !rbd {
            return Err(unsupported(
                "librbd encryption is supported only with RBD backed disks",
            ));
        }
        if !caps.has(CapFlag::RbdEncryption) {
            return Err(unsupported(
                "librbd encryption is not supported by this QEMU binary",
            ));
        }
        if encryption.format == EncryptionFormat::LuksAny
            && !caps.has(CapFlag::RbdEncryptionLuksAny)
        {
            return Err(unsupported(
                "luks-any encryption is not supported by this QEMU binary",
            ));
        }
        if layers > 1 && !caps.has(CapFlag::RbdEncryptionLayering) {
            return Err(unsupported(
                "librbd encryption layering is not supported by this QEMU binary",
            ));
        }
    }
    if !matches!(format, StorageFormat::Raw | StorageFormat::Qcow2) {
        return Err(unsupported(
            "encryption is supported only with 'raw' and 'qcow2' image format",
        ));
    }
    Ok(())
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, text)
}
