//! Which devices QEMU has.

use serde::Deserialize;
use serde_json::json;

use super::monitor::{Monitor, Pending};

/// One entry of `qom-list`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// `child<…>` for an object below, `link<…>`, or a property's type.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The aliases of the devices.
pub fn devices(objects: Vec<Object>) -> Vec<String> {
    objects
        .into_iter()
        .filter(|object| object.kind.starts_with("child<"))
        .map(|object| object.name)
        .collect()
}

impl Monitor {
    /// `qom-list` of the devices that have an alias ([`Object`]), without awaiting.
    pub fn peripherals(&self) -> Pending {
        self.send("qom-list", Some(json!({ "path": "/machine/peripheral" })))
    }
}
