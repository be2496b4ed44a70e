//! What older daemons did not write into status files because it followed from the rest.
//!
//! Facts: status files of older libvirts as the stock daemon writes them back.

use virt_domain::Domain;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::hostdev::{Hostdev, HostdevSource};
use virt_domain::devices::storage::{
    Auth, BackingStore, Encryption, EncryptionEngine, EncryptionFormat, Location, NetworkProtocol,
    NodeName, NodeNames, ObjectAlias, SecretObject, SourceState, StorageSource,
};
use virt_xml::YesNo;

use super::Status;
use crate::argv::{self, DriverConfig};
use crate::defaults;

impl Status {
    /// Fills in what an older daemon left out.
    pub fn fill_in(&mut self, config: &DriverConfig) {
        if self.kept.memory_dir.as_os_str().is_empty()
            && let Some(id) = self.domain.id
        {
            let name = argv::short_name(id, &self.domain.name);
            self.kept.memory_dir = config.memory_backing_dir.join(name);
        }
        let mut domain = Domain::clone(&self.domain);
        for disk in &mut domain.devices.disks {
            fill_disk(disk);
        }
        for hostdev in &mut domain.devices.hostdevs {
            fill_hostdev(hostdev);
        }
        defaults::audio::choose(&mut domain.devices, config);
        if domain != *self.domain {
            self.domain = domain.into();
        }
    }
}

fn fill_disk(disk: &mut Disk) {
    let alias = disk.info.alias().map(str::to_owned);
    choose_engine(disk.encryption.as_mut());
    let (auth, encryption) = (disk.auth.clone(), disk.encryption.clone());
    if let Some(source) = &mut disk.source {
        choose_engine(source.encryption.as_mut());
        defaults::disk::ports(&mut source.location);
        if let Some(alias) = alias {
            name_objects(source, &alias, auth.as_ref(), encryption.as_ref());
        }
    }
    let mut backing = disk.backing.as_mut();
    while let Some(BackingStore::Image(image)) = backing {
        if let Some(source) = &mut image.source {
            choose_engine(source.encryption.as_mut());
            defaults::disk::ports(&mut source.location);
        }
        backing = image.backing.as_mut();
    }
}

/// Nobody but QEMU decrypts LUKS.
fn choose_engine(encryption: Option<&mut Encryption>) {
    if let Some(encryption) = encryption
        && encryption.format == EncryptionFormat::Luks
    {
        encryption.engine.get_or_insert(EncryptionEngine::Qemu);
    }
}

/// Names of objects, as they were when the device's alias made them.
fn name_objects(
    source: &mut StorageSource,
    alias: &str,
    auth: Option<&Auth>,
    encryption: Option<&Encryption>,
) {
    let network = match &source.location {
        Location::Network(network) => Some(network),
        _ => None,
    };
    let has_auth = network.is_some() && (source.auth.is_some() || auth.is_some());
    let has_luks = [source.encryption.as_ref(), encryption]
        .into_iter()
        .flatten()
        .any(|encryption| encryption.format == EncryptionFormat::Luks);
    let has_tls = network.is_some_and(|network| {
        network.protocol == NetworkProtocol::Vxhs && network.tls == Some(YesNo::Yes)
    });
    if !has_auth && !has_luks && !has_tls {
        return;
    }
    let state = source.state.get_or_insert_default();
    if has_auth {
        name_secret(state, "auth", format!("{alias}-secret0"));
    }
    if has_luks {
        name_secret(state, "encryption", format!("{alias}-luks-secret0"));
    }
    if has_tls {
        let alias = format!("obj{alias}_tls0");
        let objects = state.objects.get_or_insert_default();
        objects.tls.get_or_insert(ObjectAlias { alias });
    }
}

fn name_secret(state: &mut SourceState, kind: &str, alias: String) {
    let objects = state.objects.get_or_insert_default();
    if !objects.has(kind) {
        let kind = kind.to_owned();
        objects.secrets.push(SecretObject { kind, alias });
    }
}

fn fill_hostdev(hostdev: &mut Hostdev) {
    let Some(alias) = hostdev.info.alias().map(str::to_owned) else {
        return;
    };
    let auth = match &hostdev.source {
        HostdevSource::Scsi { .. } => None,
        HostdevSource::Iscsi { auth, .. } => auth.as_ref(),
        _ => return,
    };
    let has_auth = auth.is_some();
    let state = hostdev.state.source.get_or_insert_default();
    state.nodenames.get_or_insert_with(|| NodeNames {
        names: vec![NodeName::new("storage", format!("libvirt-{alias}-backend"))],
    });
    if has_auth {
        name_secret(state, "auth", format!("{alias}-secret0"));
    }
}
