//! What QEMU is told to make for a device, and to forget again.

use std::os::fd::OwnedFd;

use serde_json::{Value, json};
use virt_domain::devices::disk::Disk;
use virt_domain::devices::storage::{BackingStore, SourceState, StorageSource};
use virt_error::Result;

use crate::argv::Part;
use crate::guest::Body;
use crate::qmp::{Monitor, Pending};

fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn make(monitor: &Monitor, part: &Part) -> Pending {
    match part {
        Part::Object(value) => monitor.send("object-add", Some(value.clone())),
        Part::Node(value) => monitor.send("blockdev-add", Some(value.clone())),
        Part::Netdev(value) => monitor.send("netdev_add", Some(value.clone())),
        Part::Device(value) => monitor.send("device_add", Some(value.clone())),
    }
}

fn forget(monitor: &Monitor, name: &Name) -> Pending {
    match name {
        Name::Object(name) => monitor.send("object-del", Some(json!({ "id": name }))),
        Name::Node(name) => monitor.send("blockdev-del", Some(json!({ "node-name": name }))),
        Name::Netdev(name) => monitor.send("netdev_del", Some(json!({ "id": name }))),
    }
}

/// The name of something that QEMU made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// Of an object.
    Object(String),
    /// Of a block node.
    Node(String),
    /// Of the back end of an interface.
    Netdev(String),
}

/// What is to be forgotten when the making of these fails or when they are not needed any more, in
/// that order.
pub(super) fn names(parts: &[Part]) -> Vec<Name> {
    let name = |part: &Part| match part {
        Part::Object(value) => Some(Name::Object(text(value, "id"))),
        Part::Node(value) => Some(Name::Node(text(value, "node-name"))),
        Part::Netdev(value) => Some(Name::Netdev(text(value, "id"))),
        Part::Device(_) => None,
    };
    parts.iter().rev().filter_map(name).collect()
}

/// The block node that a disk's device uses.
pub(super) fn top_of(disk: &Disk) -> Option<String> {
    names_of(disk).into_iter().find_map(|name| match name {
        Name::Node(node) => Some(node),
        Name::Object(_) | Name::Netdev(_) => None,
    })
}

/// The same of a disk, as it was noted when it was made: what is on top first.
pub(super) fn names_of(disk: &Disk) -> Vec<Name> {
    let mut names = Vec::new();
    let above = disk
        .state
        .iter()
        .filter_map(|state| state.nodenames.as_ref());
    for node in above.flat_map(|nodes| nodes.names.iter().rev()) {
        names.push(Name::Node(node.name.clone()));
    }
    let mut sources: Vec<&StorageSource> = disk.source.iter().collect();
    let mut backing = disk.backing.as_ref();
    while let Some(BackingStore::Image(image)) = backing {
        sources.extend(&image.source);
        backing = image.backing.as_ref();
    }
    for state in sources
        .into_iter()
        .filter_map(|source| source.state.as_deref())
    {
        names_of_source(state, &mut names);
    }
    names
}

fn names_of_source(state: &SourceState, names: &mut Vec<Name>) {
    if let Some(nodes) = &state.nodenames {
        for kind in ["format", "slice-storage", "storage"] {
            let node = nodes.of(kind);
            names.extend(node.map(|node| Name::Node(node.to_owned())));
        }
    }
    if let Some(objects) = &state.objects {
        let tls = objects.tls.iter().map(|tls| tls.alias.clone());
        let secrets = objects.secrets.iter().map(|secret| secret.alias.clone());
        names.extend(tls.chain(secrets).map(Name::Object));
    }
}

impl Body {
    /// Has QEMU make all of it, or nothing.
    pub(super) async fn make(&mut self, parts: &[Part]) -> Result<()> {
        let monitor = self.live()?.qemu.monitor.clone();
        for (place, part) in parts.iter().enumerate() {
            let made = self.attend(make(&monitor, part)).await;
            if let Err(error) = made {
                let error = error.about(&self.name());
                self.forget(names(parts.get(..place).unwrap_or_default()))
                    .await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Gives QEMU descriptors by name, for what it is to make next.
    pub(super) async fn give(&mut self, descriptors: Vec<(String, OwnedFd)>) -> Result<()> {
        let monitor = self.live()?.qemu.monitor.clone();
        for (name, descriptor) in descriptors {
            let name = json!({ "fdname": name });
            let given = monitor.send_with_fd("getfd", Some(name), Some(descriptor));
            let given = self.attend(given).await;
            given.map_err(|error| error.about(&self.name()))?;
        }
        Ok(())
    }

    /// Has QEMU forget what nothing uses any more. What it does not let go of is logged: it is in no
    /// one's way but its own.
    pub(super) async fn forget(&mut self, names: Vec<Name>) {
        let Ok(live) = self.live() else { return };
        for name in names {
            // Not `attend`: this is done upon what QEMU tells, too.
            if let Err(error) = forget(&live.qemu.monitor, &name).await {
                tracing::warn!(guest = %self.name(), ?name, %error, "QEMU keeps it");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_last_is_forgotten_first() {
        let parts = [
            Part::Object(json!({ "qom-type": "secret", "id": "s" })),
            Part::Node(json!({ "driver": "file", "node-name": "n" })),
            Part::Device(json!({ "driver": "scsi-hd", "id": "d" })),
        ];
        let expected = [Name::Node("n".into()), Name::Object("s".into())];
        assert_eq!(names(&parts), expected);
    }
}
