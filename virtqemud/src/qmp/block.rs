//! Disks: what they are made of and what went through them.

use serde::Deserialize;
use serde_json::{Value, json};
use virt_domain::devices::disk::IoTune;

use super::error::QmpError;
use super::monitor::{Monitor, Pending};

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

impl Monitor {
    /// `block_set_io_throttle`: limits the disk at that place among QEMU's objects.
    pub fn set_io_throttle(&self, device: &str, limits: &IoTune) -> Pending {
        self.send("block_set_io_throttle", Some(throttle(device, limits)))
    }
}

/// The limits by the command's own names.
fn throttle(device: &str, limits: &IoTune) -> Value {
    let mut arguments = json!({ "id": device });
    for (name, value) in limits.numbers() {
        let value = value.unwrap_or(0);
        // These have to be there, the others must not be 0.
        let always =
            !name.ends_with("_length") && !name.ends_with("_max") && !name.starts_with("size");
        if value == 0 && !always {
            continue;
        }
        let key = match name {
            "total_bytes_sec" => "bps".to_owned(),
            "read_bytes_sec" => "bps_rd".to_owned(),
            "write_bytes_sec" => "bps_wr".to_owned(),
            "total_iops_sec" => "iops".to_owned(),
            "read_iops_sec" => "iops_rd".to_owned(),
            "write_iops_sec" => "iops_wr".to_owned(),
            "size_iops_sec" => "iops_size".to_owned(),
            other => other
                .replace("total_bytes_sec", "bps")
                .replace("read_bytes_sec", "bps_rd")
                .replace("write_bytes_sec", "bps_wr")
                .replace("total_iops_sec", "iops")
                .replace("read_iops_sec", "iops_rd")
                .replace("write_iops_sec", "iops_wr"),
        };
        arguments[key] = value.into();
    }
    if let Some(group) = &limits.group_name {
        arguments["group"] = group.as_str().into();
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_go_by_the_commands_names() {
        let limits = IoTune {
            total_bytes_sec: Some(7),
            read_iops_sec_max: Some(9),
            total_iops_sec_max_length: Some(3),
            ..IoTune::default()
        };
        assert_eq!(
            throttle("d", &limits),
            json!({
                "id": "d", "bps": 7, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0,
                "iops_wr": 0, "iops_rd_max": 9, "iops_max_length": 3
            })
        );
    }

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
