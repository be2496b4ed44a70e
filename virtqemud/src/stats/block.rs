//! `block.*`: what went through each disk, and how large its images are.

use std::collections::HashMap;

use virt_domain::devices::disk::Disk;
use virt_domain::devices::storage::{BackingStore, StorageFormat, StorageSource};
use virt_driver::Summary;
use virt_rpc::protocol::remote::TypedParam;

use crate::guest::Live;
use crate::qmp::block::{BlockNode, BlockStats, Counters, Image};
use crate::qmp::{Monitor, QmpError};
use crate::storage::usage::usage;

/// What QEMU tells of all disks.
#[derive(Debug)]
pub struct Answers {
    devices: Vec<BlockStats>,
    nodes: HashMap<String, Image>,
}

/// Asks QEMU; both questions are under way together.
pub async fn ask(monitor: Option<&Monitor>) -> Option<Answers> {
    let monitor = monitor?;
    let (devices, nodes) = tokio::join!(monitor.block_stats(false), monitor.block_nodes());
    let (devices, nodes) = (devices.ok()?, nodes.ok()?);
    let by_name = |node: BlockNode| Some((node.name?, node.image));
    Some(Answers {
        devices,
        nodes: nodes.into_iter().filter_map(by_name).collect(),
    })
}

/// One disk's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskCounters(pub Counters);

/// The counters of every disk, with the number of the disk.
///
/// # Errors
/// See [`QmpError`].
pub async fn disk_counters(live: &Live) -> Result<Vec<Option<DiskCounters>>, QmpError> {
    let devices = live.qemu.monitor.block_stats(false).await?;
    let disks = live.domain.devices.disks.iter();
    Ok(disks
        .map(|disk| of_disk(disk, &devices).map(|stats| DiskCounters(stats.stats)))
        .collect())
}

/// The sum of counters.
pub fn counters(all: impl IntoIterator<Item = DiskCounters>) -> Counters {
    all.into_iter().fold(Counters::default(), |sum, one| {
        let one = one.0;
        Counters {
            rd_bytes: sum.rd_bytes + one.rd_bytes,
            wr_bytes: sum.wr_bytes + one.wr_bytes,
            rd_operations: sum.rd_operations + one.rd_operations,
            wr_operations: sum.wr_operations + one.wr_operations,
            flush_operations: sum.flush_operations + one.flush_operations,
            rd_total_time_ns: sum.rd_total_time_ns + one.rd_total_time_ns,
            wr_total_time_ns: sum.wr_total_time_ns + one.wr_total_time_ns,
            flush_total_time_ns: sum.flush_total_time_ns + one.flush_total_time_ns,
            wr_highest_offset: sum.wr_highest_offset.max(one.wr_highest_offset),
        }
    })
}

/// QEMU's device of a disk: it is found by the alias within QEMU's own path of it.
fn of_disk<'a>(disk: &Disk, devices: &'a [BlockStats]) -> Option<&'a BlockStats> {
    let alias = disk.info.alias()?;
    devices.iter().find(|device| {
        let path = device.qdev.as_deref().unwrap_or("");
        path.split('/').any(|part| part == alias) || device.device == alias
    })
}

/// How many disks there are, and what QEMU tells of each.
pub fn push(live: &Live, answers: Option<&Answers>, backing: bool, params: &mut Vec<TypedParam>) {
    let mut entries = Entries::default();
    for disk in &live.domain.devices.disks {
        let stats = answers.and_then(|answers| of_disk(disk, &answers.devices));
        let top = disk.source.as_ref();
        entries.push(&disk.target.dev, top, stats, answers);
        if !backing {
            continue;
        }
        let mut below = disk.backing.as_ref();
        let mut stats = stats.and_then(|stats| stats.backing.as_deref());
        while let Some(BackingStore::Image(image)) = below {
            entries.push(&disk.target.dev, image.source.as_ref(), stats, answers);
            below = image.backing.as_ref();
            stats = stats.and_then(|stats| stats.backing.as_deref());
        }
    }
    params.push(TypedParam::uint("block.count", entries.count));
    params.append(&mut entries.params);
}

#[derive(Default)]
struct Entries {
    count: u32,
    params: Vec<TypedParam>,
}

impl Entries {
    fn push(
        &mut self,
        target: &str,
        source: Option<&StorageSource>,
        stats: Option<&BlockStats>,
        answers: Option<&Answers>,
    ) {
        let place = self.count;
        self.count += 1;
        let name = |what: &str| format!("block.{place}.{what}");
        self.params.push(TypedParam::string(name("name"), target));
        if let Some(path) = source.and_then(|source| source.path()) {
            self.params.push(TypedParam::string(name("path"), path));
        }
        if let Some(index) = source.and_then(|source| source.index) {
            self.params
                .push(TypedParam::uint(name("backingIndex"), index));
        }
        let Some(stats) = stats else { return };
        let done = &stats.stats;
        for (what, value) in [
            ("rd.reqs", done.rd_operations),
            ("rd.bytes", done.rd_bytes),
            ("rd.times", done.rd_total_time_ns),
            ("wr.reqs", done.wr_operations),
            ("wr.bytes", done.wr_bytes),
            ("wr.times", done.wr_total_time_ns),
            ("fl.reqs", done.flush_operations),
            ("fl.times", done.flush_total_time_ns),
        ] {
            self.params.push(TypedParam::ullong(name(what), value));
        }
        let image = stats
            .node_name
            .as_deref()
            .and_then(|node| answers?.nodes.get(node));
        let Some(image) = image else { return };
        // What was written goes to the node below a format's.
        let highest = stats.parent.as_deref().unwrap_or(stats).stats;
        let sizes = [
            ("allocation", Some(highest.wr_highest_offset)),
            ("capacity", Some(image.virtual_size)),
            ("physical", image.actual_size),
        ];
        for (what, value) in sizes {
            if let Some(value) = value {
                self.params.push(TypedParam::ullong(name(what), value));
            }
        }
    }
}

/// The disks of a guest that is off, from their files. Blocks.
pub fn of_files(summary: &Summary, params: &mut Vec<TypedParam>) {
    let count = u32::try_from(summary.disks.len()).unwrap_or(u32::MAX);
    params.push(TypedParam::uint("block.count", count));
    for (place, disk) in summary.disks.iter().enumerate() {
        let name = |what: &str| format!("block.{place}.{what}");
        params.push(TypedParam::string(name("name"), &*disk.target));
        let Some(path) = &disk.path else { continue };
        params.push(TypedParam::string(name("path"), &**path));
        let format = disk.format.as_deref().and_then(StorageFormat::from_word);
        // A missing image is told when the guest starts, not here.
        let Ok(sizes) = usage(path, format) else {
            continue;
        };
        if sizes.allocation != 0 {
            params.push(TypedParam::ullong(name("allocation"), sizes.allocation));
        }
        params.push(TypedParam::ullong(name("capacity"), sizes.capacity));
        params.push(TypedParam::ullong(name("physical"), sizes.physical));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_image_leaves_the_disk_without_sizes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.raw");
        std::fs::write(&path, [0_u8; 512]).unwrap();
        let text = format!(
            "<domain><name>a</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid><devices>\
             <disk><driver type='raw'/><source file='{}'/><target dev='vda'/></disk>\
             <disk><source file='/nosuch'/><target dev='vdb'/></disk>\
             <disk><target dev='hdc'/></disk></devices></domain>",
            path.display()
        );
        let (_, _, definition) = virt_driver::Definition::found(&text).unwrap();
        let mut params = Vec::new();
        of_files(definition.summary(), &mut params);
        let names: Vec<&str> = params
            .iter()
            .map(|p| p.field.as_str())
            .filter(|name| !name.ends_with("allocation"))
            .collect();
        assert_eq!(
            names,
            [
                "block.count",
                "block.0.name",
                "block.0.path",
                "block.0.capacity",
                "block.0.physical",
                "block.1.name",
                "block.1.path",
                "block.2.name"
            ]
        );
    }
}
