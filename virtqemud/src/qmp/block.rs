//! Disks: what they are made of and what went through them.

use serde::Deserialize;
use serde_json::json;

use super::error::QmpError;
use super::monitor::Monitor;

/// One drive of `query-block`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Drive {
    /// Legacy name; empty with `-blockdev`.
    #[serde(default)]
    pub device: String,
    /// Path of the device in QEMU's object tree; `/machine/peripheral/ALIAS` or below it.
    #[serde(default)]
    pub qdev: String,
    /// Whether the medium can be taken out.
    pub removable: bool,
    /// Whether the guest locked the tray.
    #[serde(default)]
    pub locked: bool,
    /// Whether the tray is open; `None` without a tray.
    #[serde(default)]
    pub tray_open: Option<bool>,
    /// `ok`, `failed` or `nospace`; `None` when the device stops on no error.
    #[serde(rename = "io-status")]
    pub io_status: Option<String>,
}

/// One node of `query-blockstats`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BlockStats {
    /// Legacy name; empty with `-blockdev`.
    #[serde(default)]
    pub device: String,
    /// Name of the node.
    pub node_name: Option<String>,
    /// Path of the device in QEMU's object tree; only at a device's top node.
    pub qdev: Option<String>,
    /// The counters.
    pub stats: Counters,
    /// Protocol node below.
    pub parent: Option<Box<BlockStats>>,
    /// Backing image below.
    pub backing: Option<Box<BlockStats>>,
}

/// Counters of a node since QEMU's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Bytes read.
    pub rd_bytes: u64,
    /// Bytes written.
    pub wr_bytes: u64,
    /// Read requests.
    pub rd_operations: u64,
    /// Write requests.
    pub wr_operations: u64,
    /// Flush requests.
    pub flush_operations: u64,
    /// Time spent reading, in nanoseconds.
    pub rd_total_time_ns: u64,
    /// Time spent writing, in nanoseconds.
    pub wr_total_time_ns: u64,
    /// Time spent flushing, in nanoseconds.
    pub flush_total_time_ns: u64,
    /// Highest byte written.
    pub wr_highest_offset: u64,
}

/// One node of `query-named-block-nodes`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BlockNode {
    /// Name of the node.
    #[serde(rename = "node-name")]
    pub name: Option<String>,
    /// File it reads.
    #[serde(default)]
    pub file: String,
    /// The image's own description.
    pub image: Image,
}

/// An image file as QEMU sees it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// Size the guest sees, in bytes.
    pub virtual_size: u64,
    /// Bytes taken on the host; absent where the host can't tell.
    pub actual_size: Option<u64>,
    /// `raw`, `qcow2`, …
    #[serde(default)]
    pub format: String,
}

impl Monitor {
    /// `query-block`.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn drives(&self) -> Result<Vec<Drive>, QmpError> {
        self.query("query-block", None).await
    }

    /// `query-blockstats`: of the devices, or of every node.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn block_stats(&self, every_node: bool) -> Result<Vec<BlockStats>, QmpError> {
        let arguments = json!({ "query-nodes": every_node });
        self.query("query-blockstats", Some(arguments)).await
    }

    /// `query-named-block-nodes`, without the backing chain repeated below each.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn block_nodes(&self) -> Result<Vec<BlockNode>, QmpError> {
        let arguments = json!({ "flat": true });
        self.query("query-named-block-nodes", Some(arguments)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_as_qemu_10_tells_it() {
        let drive: Drive = serde_json::from_value(json!({
            "io-status": "ok", "device": "", "locked": false, "removable": false,
            "qdev": "/machine/peripheral/virtio-disk0/virtio-backend", "type": "unknown",
            "inserted": {"ro": false}
        }))
        .unwrap();
        assert_eq!(drive.io_status.as_deref(), Some("ok"));
        assert_eq!(drive.tray_open, None);
    }
}
