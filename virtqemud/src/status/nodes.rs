//! Notes in the live definition which block nodes and objects QEMU has for its disks: whoever takes
//! the guest over needs their names.
//!
//! They are read from the command line that was built, so they are what QEMU really got. Facts:
//! status files and command lines of the stock daemon.

use serde_json::Value;
use std::collections::BTreeSet;
use virt_domain::Domain;
use virt_domain::devices::disk::{Disk, DiskBus};
use virt_domain::devices::storage::{
    BackingStore, DiskState, Named, NodeName, NodeNames, ObjectAlias, Objects, SecretObject,
    SourceState, StorageSource,
};

use crate::argv::Part;

/// Names in a command line.
#[derive(Default)]
struct Names {
    nodes: BTreeSet<String>,
    objects: BTreeSet<String>,
    /// Throttle filters with their groups.
    filters: Vec<(String, String)>,
}

impl Names {
    fn of(arguments: &[String]) -> Self {
        let mut names = Self::default();
        for pair in arguments.windows(2) {
            let [option, value] = pair else { continue };
            if let Ok(value) = serde_json::from_str::<Value>(value) {
                names.take(option, &value);
            }
        }
        names
    }

    fn take(&mut self, option: &str, value: &Value) {
        let (key, set) = match option {
            "-blockdev" => ("node-name", &mut self.nodes),
            "-object" => ("id", &mut self.objects),
            _ => return,
        };
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let Some(name) = text(key) else { return };
        set.insert(name.to_owned());
        if let (Some("throttle"), Some(group)) = (text("driver"), text("throttle-group")) {
            let group = group.strip_prefix("throttle-").unwrap_or(group);
            self.filters.push((name.to_owned(), group.to_owned()));
        }
    }

    fn node(&self, kind: &str, name: String) -> Option<NodeName> {
        self.nodes
            .contains(&name)
            .then(|| NodeName::new(kind, name))
    }

    fn source(&self, source: &mut StorageSource, number: u32) {
        let nodes = [
            self.node("storage", format!("libvirt-{number}-storage")),
            self.node("format", format!("libvirt-{number}-format")),
            // QEMU's names have at most 31 characters; this is how the stock daemon calls it.
            self.node("slice-storage", format!("libvirt-{number}-slice-sto")),
        ];
        let nodes: Vec<_> = nodes.into_iter().flatten().collect();
        let prefix = format!("libvirt-{number}-");
        let mut objects = Objects::default();
        for name in &self.objects {
            let Some(rest) = name.strip_prefix(&prefix) else {
                continue;
            };
            let kind = match rest {
                _ if rest.contains("-auth-secret") => "auth",
                _ if rest.contains("-encryption-secret") => "encryption",
                _ if rest.contains("-httpcookie-secret") => "httpcookie",
                _ if rest.contains("tls") && rest.contains("secret") => "tlskey",
                _ => continue,
            };
            objects.secrets.push(SecretObject {
                kind: kind.to_owned(),
                alias: name.clone(),
            });
        }
        let tls = format!("objlibvirt-{number}-storage_tls0");
        objects.tls = self
            .objects
            .contains(&tls)
            .then_some(ObjectAlias { alias: tls });
        if nodes.is_empty() && objects == Objects::default() {
            return;
        }
        let state = source.state.get_or_insert_default();
        **state = SourceState {
            nodenames: (!nodes.is_empty()).then_some(NodeNames { names: nodes }),
            objects: (objects != Objects::default()).then_some(objects),
            ..std::mem::take(&mut **state)
        };
    }

    fn disk(&self, disk: &mut Disk) {
        let qom = qom_path(disk);
        let first = disk.source.as_ref().and_then(|source| source.index);
        if let (Some(source), Some(number)) = (&mut disk.source, first) {
            self.source(source, number);
        }
        let mut backing = disk.backing.as_mut();
        while let Some(BackingStore::Image(image)) = backing {
            let image = &mut **image;
            if let (Some(source), Some(number)) = (&mut image.source, image.index) {
                self.source(source, number);
            }
            backing = image.backing.as_mut();
        }
        let on_read = self.node("copyOnRead", format!("libvirt-CoR-{}", disk.name()));
        let mut above: Vec<_> = on_read.into_iter().collect();
        if let (Some(filters), Some(_)) = (&disk.throttle_filters, first) {
            let last = crate::aliases::last_of(disk);
            for (number, filter) in (last + 1..).zip(&filters.filters) {
                let name = format!("libvirt-{number}-filter");
                let is_it = |(node, group): &(String, String)| {
                    *node == name && group.ends_with(&filter.group)
                };
                if self.filters.iter().any(is_it) {
                    above.push(NodeName {
                        group: Some(filter.group.clone()),
                        ..NodeName::new("throttle-filter", name)
                    });
                }
            }
        }
        disk.state = Some(Box::new(DiskState {
            qom: qom.map(|name| Named { name }),
            nodenames: (!above.is_empty()).then_some(NodeNames { names: above }),
            rest: Vec::new(),
        }));
    }
}

/// Where QEMU has the device whose medium clients speak of.
pub(crate) fn qom_path(disk: &Disk) -> Option<String> {
    let alias = disk.info.alias()?;
    Some(match disk.bus() {
        DiskBus::Virtio => format!("/machine/peripheral/{alias}/virtio-backend"),
        DiskBus::Usb => format!("/machine/peripheral/{alias}/{alias}.0/legacy[0]"),
        _ => alias.to_owned(),
    })
}

/// Notes the names of what QEMU was given for one disk while it runs.
pub(crate) fn note_disk(disk: &mut Disk, parts: &[Part]) {
    let mut names = Names::default();
    for part in parts {
        match part {
            Part::Object(value) => names.take("-object", value),
            Part::Node(value) => names.take("-blockdev", value),
            Part::Netdev(_) | Part::Device(_) => {}
        }
    }
    names.disk(disk);
}

/// Notes the names of what QEMU is given on its command line.
pub(crate) fn note(domain: &mut Domain, arguments: &[String]) {
    let names = Names::of(arguments);
    for disk in &mut domain.devices.disks {
        names.disk(disk);
    }
    for hostdev in &mut domain.devices.hostdevs {
        let Some(alias) = hostdev.info.alias() else {
            continue;
        };
        let node = names.node("storage", format!("libvirt-{alias}-backend"));
        let secret = format!("{alias}-secret0");
        let secret = names.objects.contains(&secret).then(|| SecretObject {
            kind: "auth".to_owned(),
            alias: secret,
        });
        if node.is_none() && secret.is_none() {
            continue;
        }
        hostdev.state.source = Some(Box::new(SourceState {
            nodenames: node.map(|node| NodeNames { names: vec![node] }),
            objects: secret.map(|secret| Objects {
                secrets: vec![secret],
                tls: None,
            }),
            ..SourceState::default()
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_was_given_is_noted() {
        let mut domain = Domain::read(
            "<domain type='qemu'><name>a</name><memory>1</memory>
             <os><type arch='x86_64'>hvm</type></os><devices>
             <disk><driver type='qcow2'/><source file='/a' index='1'/>
             <backingStore type='file' index='2'><format type='raw'/><source file='/b'/></backingStore>
             <target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk></devices></domain>",
        )
        .unwrap();
        let arguments: Vec<String> = [
            "-blockdev",
            r#"{"node-name":"libvirt-2-storage"}"#,
            "-blockdev",
            r#"{"node-name":"libvirt-1-storage"}"#,
            "-blockdev",
            r#"{"node-name":"libvirt-1-format"}"#,
            "-blockdev",
            r#"{"node-name":"libvirt-CoR-vda"}"#,
        ]
        .map(str::to_owned)
        .into();
        note(&mut domain, &arguments);
        let disk = &domain.devices.disks[0];
        let names = |source: &StorageSource| {
            let names = source.state.as_ref().unwrap().nodenames.as_ref().unwrap();
            names
                .names
                .iter()
                .map(|n| n.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(disk.source.as_ref().unwrap()),
            ["libvirt-1-storage", "libvirt-1-format"]
        );
        let Some(BackingStore::Image(image)) = &disk.backing else {
            panic!("an image")
        };
        assert_eq!(names(image.source.as_ref().unwrap()), ["libvirt-2-storage"]);
        let state = disk.state.as_ref().unwrap();
        assert_eq!(
            state.qom.as_ref().unwrap().name,
            "/machine/peripheral/virtio-disk0/virtio-backend"
        );
        assert_eq!(
            state.nodenames.as_ref().unwrap().of("copyOnRead"),
            Some("libvirt-CoR-vda")
        );
    }
}
