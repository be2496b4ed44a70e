//! The memory balloon.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::error::QmpError;
use super::monitor::{Monitor, Pending};

/// Reply of `query-balloon`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Balloon {
    /// Memory left to the guest, in bytes.
    pub actual: u64,
}

/// The balloon's `guest-stats`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GuestStats {
    /// When the guest last told, in seconds since the epoch; 0 = never.
    #[serde(default)]
    pub last_update: i64,
    /// `stat-free-memory` and others, in bytes or counts; `u64::MAX` where the guest told
    /// nothing.
    #[serde(default, deserialize_with = "told")]
    pub stats: BTreeMap<String, u64>,
}

/// One device of `query-memory-devices`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MemoryDevice {
    /// What it is about.
    pub data: MemoryDeviceData,
}

/// What is told of a memory device, by its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MemoryDeviceData {
    /// Its name.
    pub id: String,
    /// The first of its addresses in the guest: of a DIMM.
    pub addr: Option<u64>,
    /// The same: of a virtio device or of enclave memory.
    pub memaddr: Option<u64>,
    /// How much the guest has of it, bytes.
    pub size: u64,
}

/// Keeps the numbers the guest told. QEMU marks the others with all bits set.
fn told<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeMap<String, u64>, D::Error> {
    let all = BTreeMap::<String, serde_json::Number>::deserialize(from)?;
    Ok(all
        .into_iter()
        .filter_map(|(key, number)| Some((key, number.as_u64()?)))
        .filter(|(_, number)| *number != u64::MAX)
        .collect())
}

impl Monitor {
    /// `query-balloon`.
    ///
    /// # Errors
    /// See [`QmpError`]; refused when the guest has no balloon.
    pub async fn balloon(&self) -> Result<Balloon, QmpError> {
        self.query("query-balloon", None).await
    }

    /// `query-memory-devices`.
    pub fn memory_devices(&self) -> Pending {
        self.send("query-memory-devices", None)
    }

    /// `balloon`: asks the guest to make do with so many bytes.
    pub fn set_balloon(&self, bytes: u64) -> Pending {
        self.send("balloon", Some(json!({ "value": bytes })))
    }

    /// `guest-stats` of the balloon with this alias.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn guest_stats(&self, alias: &str) -> Result<GuestStats, QmpError> {
        self.property(&format!("/machine/peripheral/{alias}"), "guest-stats")
            .await
    }

    /// How often the guest tells its statistics, in seconds; 0 = never.
    pub fn poll_guest_stats(&self, alias: &str, seconds: u32) -> Pending {
        self.set_property(
            &format!("/machine/peripheral/{alias}"),
            "guest-stats-polling-interval",
            seconds.into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_devices_of_all_kinds_are_read() {
        let devices: Vec<MemoryDevice> = serde_json::from_value(json!([
            {"type": "dimm", "data": {"id": "dimm0", "addr": 4294967296u64, "size": 1, "slot": 0}},
            {"type": "virtio-mem", "data": {"id": "v", "memaddr": 1, "size": 2, "max-size": 4}},
            {"type": "sgx-epc", "data": {"memaddr": 1, "size": 2}}
        ]))
        .unwrap();
        let found: Vec<_> = devices
            .iter()
            .map(|device| {
                (
                    device.data.id.as_str(),
                    device.data.addr,
                    device.data.memaddr,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("dimm0", Some(1 << 32), None),
                ("v", None, Some(1)),
                ("", None, Some(1))
            ]
        );
    }

    #[test]
    fn what_the_guest_did_not_tell_is_left_out() {
        let stats: GuestStats = serde_json::from_value(json!({
            "last-update": 17,
            "stats": {"stat-free-memory": 4096, "stat-swap-in": 18446744073709551615u64, "stat-x": -1}
        }))
        .unwrap();
        assert_eq!(
            stats.stats.into_iter().collect::<Vec<_>>(),
            [("stat-free-memory".to_owned(), 4096)]
        );
    }
}
