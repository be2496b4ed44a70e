//! `balloon.*` and `virsh dommemstat`: what the guest tells through its balloon, and what its
//! process has in RAM.

use virt_domain::devices::memballoon::BalloonModel;
use virt_rpc::protocol::remote::{DomainMemoryStat, TypedParam};
use virt_tuning::usage;

use crate::guest::Live;
use crate::qmp::Monitor;
use crate::qmp::memory::GuestStats;

/// One number the guest tells.
struct Told {
    /// QEMU's name of it.
    qemu: &'static str,
    /// The name in bulk statistics, after `balloon.`.
    name: &'static str,
    /// The number in `virDomainMemoryStats`.
    tag: i32,
    /// Bytes, told in KiB; else a count.
    bytes: bool,
}

const fn told(qemu: &'static str, name: &'static str, tag: i32, bytes: bool) -> Told {
    Told {
        qemu,
        name,
        tag,
        bytes,
    }
}

/// In the order in which they are told (`virDomainMemoryStatTags`).
const TOLD: &[Told] = &[
    told("stat-swap-in", "swap_in", 0, true),
    told("stat-swap-out", "swap_out", 1, true),
    told("stat-major-faults", "major_fault", 2, false),
    told("stat-minor-faults", "minor_fault", 3, false),
    told("stat-free-memory", "unused", 4, true),
    told("stat-total-memory", "available", 5, true),
    told("stat-available-memory", "usable", 8, true),
    told(LAST_UPDATE, "last-update", 9, false),
    told("stat-disk-caches", "disk_caches", 10, true),
    told("stat-htlb-pgalloc", "hugetlb_pgalloc", 11, false),
    told("stat-htlb-pgfail", "hugetlb_pgfail", 12, false),
];

/// Not one of the guest's own numbers.
const LAST_UPDATE: &str = "last-update";
const ACTUAL_TAG: i32 = 6;
const RSS_TAG: i32 = 7;

/// The alias of a balloon that tells statistics.
fn alias(live: &Live) -> Option<&str> {
    let balloon = live.domain.devices.memballoon.as_ref()?;
    match balloon.model {
        BalloonModel::None | BalloonModel::Xen => None,
        _ => balloon.info.alias(),
    }
}

/// Asks QEMU what the guest told last; `None` without a balloon or an answer.
pub async fn ask(monitor: Option<&Monitor>, live: &Live) -> Option<GuestStats> {
    let (monitor, alias) = (monitor?, alias(live)?);
    monitor.guest_stats(alias).await.ok()
}

fn values(stats: &GuestStats) -> impl Iterator<Item = (&'static Told, u64)> {
    TOLD.iter().filter_map(|told| {
        let value = match told.qemu {
            LAST_UPDATE => u64::try_from(stats.last_update).ok()?,
            name => *stats.stats.get(name)?,
        };
        let value = if told.bytes { value / 1024 } else { value };
        Some((told, value))
    })
}

/// What comes after `balloon.current` and `balloon.maximum`.
pub fn push(stats: Option<&GuestStats>, live: &Live, params: &mut Vec<TypedParam>) {
    for (told, value) in stats.into_iter().flat_map(values) {
        params.push(TypedParam::ullong(format!("balloon.{}", told.name), value));
    }
    if let Ok(resident) = usage::resident(live.qemu.process.pid()) {
        params.push(TypedParam::ullong("balloon.rss", resident));
    }
}

/// The same by `virDomainMemoryStats`' numbers, in KiB.
pub async fn memory_stats(live: &Live) -> Vec<DomainMemoryStat> {
    let monitor = &live.qemu.monitor;
    let stat = |tag, val| DomainMemoryStat { tag, val };
    let mut told = Vec::new();
    if alias(live).is_some() {
        let actual = live.domain.current_memory.0;
        told.push(stat(ACTUAL_TAG, actual));
        let stats = ask(Some(monitor), live).await;
        let stats = stats.as_ref().into_iter().flat_map(values);
        told.extend(stats.map(|(what, value)| stat(what.tag, value)));
    }
    if let Ok(resident) = usage::resident(live.qemu.process.pid()) {
        told.push(stat(RSS_TAG, resident));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_kib_and_what_is_not_told_is_left_out() {
        let stats: GuestStats = serde_json::from_value(serde_json::json!({
            "last-update": 1700000000,
            "stats": {
                "stat-free-memory": 4096, "stat-major-faults": 7,
                "stat-swap-in": u64::MAX
            }
        }))
        .unwrap();
        let all: Vec<_> = values(&stats).map(|(t, v)| (t.name, t.tag, v)).collect();
        assert_eq!(
            all,
            [
                ("major_fault", 2, 7),
                ("unused", 4, 4),
                ("last-update", 9, 1700000000)
            ]
        );
    }
}
