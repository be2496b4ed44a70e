//! What the machine is made of: CPUs, character devices, NICs, objects.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::QmpError;
use super::monitor::{Monitor, Pending};

/// One virtual CPU of `query-cpus-fast`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cpu {
    /// Number from 0.
    pub cpu_index: u32,
    /// The host's thread that runs it. With TCG several may share one.
    pub thread_id: i32,
    /// Path in QEMU's object tree.
    #[serde(default)]
    pub qom_path: String,
}

/// One I/O thread of `query-iothreads`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Iothread {
    /// Its object's id.
    pub id: String,
    /// The host's thread.
    pub thread_id: i32,
}

/// One character device of `query-chardev`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Chardev {
    /// `char` followed by the alias of the device that uses it.
    pub label: String,
    /// What it leads to, such as `pty:/dev/pts/3`.
    pub filename: String,
    /// Whether the guest opened its end; only ports of virtio-serial know.
    #[serde(default)]
    pub frontend_open: bool,
}

impl Chardev {
    /// Path of the pseudo terminal when it is one.
    pub fn pty(&self) -> Option<&str> {
        self.filename.strip_prefix("pty:")
    }
}

/// One NIC of `query-rx-filter`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RxFilter {
    /// Alias of the NIC.
    pub name: String,
    /// Address the guest gave to its NIC.
    pub main_mac: String,
}

impl Monitor {
    /// `query-cpus-fast`, without awaiting.
    pub fn cpus(&self) -> Pending {
        self.send("query-cpus-fast", None)
    }

    /// `query-iothreads`, without awaiting.
    pub fn iothreads(&self) -> Pending {
        self.send("query-iothreads", None)
    }

    /// `query-chardev`, without awaiting.
    pub fn chardevs(&self) -> Pending {
        self.send("query-chardev", None)
    }

    /// `query-rx-filter` of one NIC.
    ///
    /// # Errors
    /// See [`QmpError`]; NICs other than virtio refuse.
    pub async fn rx_filter(&self, nic: &str) -> Result<Vec<RxFilter>, QmpError> {
        self.query("query-rx-filter", Some(json!({ "name": nic })))
            .await
    }

    /// `qom-get`: one property of an object.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn property<T: DeserializeOwned>(
        &self,
        path: &str,
        name: &str,
    ) -> Result<T, QmpError> {
        let arguments = json!({ "path": path, "property": name });
        self.query("qom-get", Some(arguments)).await
    }

    /// `qom-set`.
    pub fn set_property(&self, path: &str, name: &str, value: Value) -> Pending {
        let arguments = json!({ "path": path, "property": name, "value": value });
        self.send("qom-set", Some(arguments))
    }

    /// `set_link`: whether a NIC has a carrier.
    pub fn set_link(&self, nic: &str, up: bool) -> Pending {
        self.send("set_link", Some(json!({ "name": nic, "up": up })))
    }
}
