//! Migration: to a file (save) and from one (restore).

use std::os::fd::OwnedFd;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::QmpError;
use super::monitor::{Monitor, Pending};

/// Reply of `query-migrate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Migration {
    /// `setup`, `active`, `completed`, `failed`, `cancelled`, …; absent before the first one.
    pub status: Option<String>,
    /// Why it failed.
    pub error_desc: Option<String>,
    /// Memory transferred so far.
    pub ram: Option<Ram>,
}

/// Progress of the memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Ram {
    /// Bytes sent.
    #[serde(default)]
    pub transferred: u64,
    /// Bytes still to send.
    #[serde(default)]
    pub remaining: u64,
    /// Bytes in all.
    #[serde(default)]
    pub total: u64,
}

impl Migration {
    /// Whether it ended, well or not.
    pub fn is_over(&self) -> bool {
        matches!(
            self.status.as_deref(),
            Some("completed" | "failed" | "cancelled")
        )
    }
}

impl Monitor {
    /// `getfd`: gives QEMU a descriptor under a name.
    pub fn give_fd(&self, name: &str, fd: OwnedFd) -> Pending {
        self.send_with_fd("getfd", Some(json!({ "fdname": name })), Some(fd))
    }

    /// `closefd`: takes back a descriptor given with [`Monitor::give_fd`].
    pub fn close_fd(&self, name: &str) -> Pending {
        self.send("closefd", Some(json!({ "fdname": name })))
    }

    /// `migrate` to an address such as `fd:NAME`.
    pub fn migrate(&self, uri: &str) -> Pending {
        self.send("migrate", Some(json!({ "uri": uri })))
    }

    /// `migrate-incoming`: fills a QEMU started with `-incoming defer`.
    pub fn migrate_incoming(&self, uri: &str) -> Pending {
        self.send("migrate-incoming", Some(json!({ "uri": uri })))
    }

    /// `migrate_cancel`.
    pub fn migrate_cancel(&self) -> Pending {
        self.send("migrate_cancel", None)
    }

    /// `migrate-set-parameters`, an object of parameters.
    pub fn set_migration_parameters(&self, parameters: Value) -> Pending {
        self.send("migrate-set-parameters", Some(parameters))
    }

    /// `migrate-set-capabilities`, one after the other on or off.
    pub fn set_migration_capabilities(&self, capabilities: &[(&str, bool)]) -> Pending {
        let list: Vec<Value> = capabilities
            .iter()
            .map(|(name, on)| json!({ "capability": name, "state": on }))
            .collect();
        self.send(
            "migrate-set-capabilities",
            Some(json!({ "capabilities": list })),
        )
    }

    /// `query-migrate`.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn migration(&self) -> Result<Migration, QmpError> {
        self.query("query-migrate", None).await
    }
}
