//! Volumes of storage pools: what a guest's `<source pool= volume=>` is on this host. Looked up at
//! each start with whoever has the pools; the definition keeps the names.
//!
//! The texts of refusals are the stock daemon's, as watched.

use virt_domain::Domain;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::storage::{
    Auth, FoundVolume, Host, Location, Network, NetworkProtocol, SecretRef, StorageFormat,
    StorageSource, VolumeMode,
};
use virt_driver::volumes::Volume;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::Tree;

use super::chain::{Dropped, drop_medium, may_be_missing};

/// Looks up a volume by pool and name; nothing where the pool is not active.
pub type Find<'a> = dyn FnMut(&str, &str) -> Result<Option<Volume>> + 'a;

/// Finds out what the volumes of a guest are. What can't be found and may be missing is dropped;
/// `boot` says that the guest boots rather than continues.
///
/// # Errors
/// What the pools' daemon says; CONFIG_UNSUPPORTED for a pool that is not active or of a kind whose
/// volumes QEMU can't open.
pub fn resolve(domain: &mut Domain, boot: bool, find: &mut Find) -> Result<Vec<Dropped>> {
    let mut dropped = Vec::new();
    let mut gone = Vec::new();
    let devices = &mut domain.devices;
    for (at, disk) in devices.disks.iter_mut().enumerate() {
        match of_disk(disk, find) {
            Ok(()) => {}
            Err(error) if !may_be_missing(disk, boot) => return Err(error),
            Err(error) => {
                tracing::info!(disk = disk.name(), %error, "dropped as its startupPolicy says");
                let what = drop_medium(disk, &devices.controllers);
                if !what.drive_stays {
                    gone.push(at);
                }
                dropped.push(what);
            }
        }
    }
    for at in gone.into_iter().rev() {
        domain.devices.disks.remove(at);
    }
    Ok(dropped)
}

fn of_disk(disk: &mut Disk, find: &mut Find) -> Result<()> {
    let Some(source) = &mut disk.source else {
        return Ok(());
    };
    if !matches!(source.location, Location::Volume { .. }) {
        return Ok(());
    }
    look_up(source, find)?;
    let is_folder = matches!(source.place(), Location::Dir { .. });
    if is_folder && !disk.readonly {
        return Err(unsupported(
            "virtual FAT storage can't be accessed in read-write mode",
        ));
    }
    let format = &mut disk.driver_mut().format;
    format.get_or_insert(match is_folder {
        true => StorageFormat::Fat,
        false => StorageFormat::Raw,
    });
    Ok(())
}

fn look_up(source: &mut StorageSource, find: &mut Find) -> Result<()> {
    let Location::Volume {
        pool: Some(pool),
        volume: Some(volume),
        mode,
        found,
    } = &mut source.location
    else {
        return Ok(());
    };
    let answer = find(pool, volume)?.ok_or_else(|| {
        unsupported(format!(
            "storage pool '{pool}' containing volume '{volume}' is not active"
        ))
    })?;
    *found = Some(Box::new(place(volume, *mode, answer)?));
    Ok(())
}

/// Kinds of volumes (libvirt's `virStorageVolType`).
const FILE: i32 = 0;
const BLOCK: i32 = 1;
const FOLDER: i32 = 2;

/// What a volume is.
fn place(name: &str, mode: Option<VolumeMode>, volume: Volume) -> Result<FoundVolume> {
    let pool = virt_xml::parse(&volume.pool)?;
    let kind = pool.attribute("type").unwrap_or_default();
    if mode.is_some() && kind != "iscsi" {
        return Err(Error::new(
            ErrorCode::XmlError,
            ErrorDomain::Domain,
            "disk source mode is only valid when storage pool is of iscsi type",
        ));
    }
    match kind {
        "iscsi" if mode == Some(VolumeMode::Direct) => unit(name, &pool),
        "iscsi-direct" => unit(name, &pool),
        "dir" | "fs" | "netfs" | "logical" | "disk" | "scsi" | "zfs" | "vstorage" | "iscsi" => {
            let path = Some(volume.path);
            let location = match volume.kind {
                FILE => Location::File {
                    path,
                    fdgroup: None,
                },
                BLOCK => Location::Block { path },
                FOLDER => Location::Dir { path },
                _ => {
                    return Err(Error::new(
                        ErrorCode::InternalError,
                        ErrorDomain::Qemu,
                        format!("unexpected storage volume type of volume '{name}'"),
                    ));
                }
            };
            Ok(FoundVolume {
                location,
                auth: None,
            })
        }
        other => Err(unsupported(format!(
            "using '{other}' pools for backing 'volume' disks isn't yet supported"
        ))),
    }
}

/// A unit of an iSCSI pool that QEMU reaches itself. Its volume is called `unit:H:B:T:L`.
fn unit(name: &str, pool: &Tree) -> Result<FoundVolume> {
    let broken = |what: &str| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            format!("{what} of the pool of iSCSI volume '{name}'"),
        )
    };
    let source = pool
        .element("source")
        .ok_or_else(|| broken("no <source>"))?;
    let target = source
        .element("device")
        .and_then(|device| device.attribute("path"))
        .ok_or_else(|| broken("no target in the <source>"))?;
    let lun = name.rsplit(':').next().unwrap_or_default();
    if lun.is_empty() || !lun.bytes().all(|b| b.is_ascii_digit()) {
        return Err(broken("no unit can be read from the name"));
    }
    let mut network = Network::new(NetworkProtocol::Iscsi);
    network.name = Some(format!("{target}/{lun}"));
    let hosts = source.elements().filter(|e| e.name == "host");
    network.hosts = hosts
        .map(|host| Host {
            name: host.attribute("name").map(str::to_owned),
            port: host.attribute("port").and_then(|port| port.parse().ok()),
            ..Host::default()
        })
        .collect();
    Ok(FoundVolume {
        location: Location::Network(Box::new(network)),
        auth: source.element("auth").and_then(credentials),
    })
}

/// `<auth type='chap' username=…><secret …/></auth>` of a pool.
fn credentials(auth: &Tree) -> Option<Auth> {
    let secret = auth.element("secret")?;
    Some(Auth {
        username: auth.attribute("username")?.to_owned(),
        secret: Some(SecretRef {
            kind: Some("iscsi".to_owned()),
            uuid: secret.attribute("uuid").and_then(|uuid| uuid.parse().ok()),
            usage: secret.attribute("usage").map(str::to_owned),
        }),
    })
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(disk: &str) -> Domain {
        let text = format!(
            "<domain type='qemu'><name>a</name><memory>1024</memory>
             <os><type arch='x86_64'>hvm</type></os><devices>{disk}</devices></domain>"
        );
        Domain::read(&text).unwrap()
    }

    fn disk(more: &str) -> String {
        format!(
            "<disk type='volume'><source pool='p' volume='unit:0:0:3'{more}/><target dev='vda'/></disk>"
        )
    }

    fn iscsi(_: &str, _: &str) -> Result<Option<Volume>> {
        Ok(Some(Volume {
            pool: "<pool type='iscsi'><source><host name='h'/><device path='iqn.t'/>
                   <auth type='chap' username='u'><secret usage='s'/></auth></source></pool>"
                .to_owned(),
            kind: BLOCK,
            path: "/dev/disk/by-path/x".to_owned(),
        }))
    }

    #[test]
    fn an_iscsi_volume_is_a_device_or_reached_directly() {
        let mut domain = guest(&disk(""));
        resolve(&mut domain, true, &mut iscsi).unwrap();
        let source = domain.devices.disks[0].source.clone().unwrap();
        assert_eq!(source.path(), Some("/dev/disk/by-path/x"));
        assert_eq!(source.credentials(), None);
        let mut domain = guest(&disk(" mode='direct'"));
        resolve(&mut domain, true, &mut iscsi).unwrap();
        let source = domain.devices.disks[0].source.clone().unwrap();
        let Location::Network(network) = source.place() else {
            panic!("{source:?}");
        };
        assert_eq!(network.name.as_deref(), Some("iqn.t/3"));
        assert_eq!(source.credentials().unwrap().username, "u");
        assert!(
            !domain
                .to_xml(virt_domain::View::default())
                .contains("iqn.t")
        );
    }

    #[test]
    fn what_may_be_missing_is_dropped_and_the_rest_refused() {
        let mut none = |_: &str, _: &str| Ok(None);
        let mut domain = guest(&disk(" startupPolicy='optional'"));
        let dropped = resolve(&mut domain, true, &mut none).unwrap();
        assert_eq!(dropped.len(), 1);
        assert!(domain.devices.disks.is_empty());
        let error = resolve(&mut guest(&disk("")), true, &mut none).unwrap_err();
        assert_eq!(
            error.message(),
            "unsupported configuration: storage pool 'p' containing volume 'unit:0:0:3' is not active"
        );
    }
}
