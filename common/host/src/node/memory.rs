//! Memory of the host and of its NUMA nodes.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::sysfs::Tree;

/// One named counter of `virNodeGetMemoryStats` or `virNodeGetCPUStats`.
pub type Stat = (&'static str, u64);

const NODES: &str = "/sys/devices/system/node";

/// Total memory in KiB: the sum of the NUMA nodes, which follows memory hot-plug at once.
pub(crate) fn total_kib(tree: &Tree) -> Result<u64> {
    sum(tree, "MemTotal")
}

/// Free memory in KiB, summed like the total.
pub(crate) fn free_kib(tree: &Tree) -> Result<u64> {
    sum(tree, "MemFree")
}

fn sum(tree: &Tree, key: &str) -> Result<u64> {
    let nodes = tree.numbered(NODES, "node");
    if nodes.is_empty() {
        return host(tree)?
            .get(key)
            .ok_or_else(|| unreadable("/proc/meminfo"));
    }
    let mut total = 0;
    for node in nodes {
        total += cell(tree, node)?.get(key).unwrap_or(0);
    }
    Ok(total)
}

/// Memory counters in KiB: `total free buffers cached` of the host for cell -1, `total free` of a
/// NUMA node otherwise.
pub(crate) fn stats(tree: &Tree, which: i32) -> Result<Vec<Stat>> {
    if which == -1 {
        let info = host(tree)?;
        let all = [
            ("total", "MemTotal"),
            ("free", "MemFree"),
            ("buffers", "Buffers"),
            ("cached", "Cached"),
        ];
        return Ok(all
            .iter()
            .filter_map(|(name, key)| Some((*name, info.get(key)?)))
            .collect());
    }
    let last = last_node(tree);
    let node = u32::try_from(which)
        .ok()
        .filter(|node| *node <= last)
        .ok_or_else(|| {
            // The stock daemon sends this sentence without the code's phrase in front.
            Error::from_wire(
                ErrorCode::InvalidArg.number(),
                ErrorDomain::None.number(),
                format!("cellNum in virHostMemGetStats must be less than or equal to {last}"),
                Some("virHostMemGetStats".into()),
                Some("cellNum".into()),
                None,
            )
        })?;
    let info = if tree.exists(&format!("{NODES}/node{node}")) {
        cell(tree, node)?
    } else {
        host(tree)?
    };
    let both = [("total", "MemTotal"), ("free", "MemFree")];
    Ok(both
        .iter()
        .filter_map(|(name, key)| Some((*name, info.get(key)?)))
        .collect())
}

/// Free bytes of the NUMA nodes `start`, `start + 1`, … (at most `max` of them).
pub(crate) fn cells_free(tree: &Tree, start: i32, max: i32) -> Result<Vec<u64>> {
    let last = last_node(tree);
    let start = start_cell(start, last)?;
    let max = usize::try_from(max).unwrap_or(0);
    let mut free = Vec::new();
    for node in (start..=last).take(max) {
        // Numbers that don't exist in between count as nodes without memory.
        let kib = cell(tree, node).ok().and_then(|info| info.get("MemFree"));
        free.push(kib.unwrap_or(0) * 1024);
    }
    Ok(free)
}

/// Checks the first node of a range; the sentence is the stock daemon's.
pub(crate) fn start_cell(start: i32, last: u32) -> Result<u32> {
    u32::try_from(start)
        .ok()
        .filter(|start| *start <= last)
        .ok_or_else(|| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::None,
                format!("start cell {start} out of range (0-{last})"),
            )
        })
}

/// The highest node number; a host without NUMA has the node 0.
pub(crate) fn last_node(tree: &Tree) -> u32 {
    tree.numbered(NODES, "node").last().copied().unwrap_or(0)
}

/// Total memory of one node in KiB.
pub(crate) fn cell_total_kib(tree: &Tree, node: u32) -> Option<u64> {
    cell(tree, node).ok()?.get("MemTotal")
}

struct MemInfo(String);

impl MemInfo {
    /// The value of a key, which is in KiB. Lines of a node start with `Node N`.
    fn get(&self, key: &str) -> Option<u64> {
        self.0.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            if name.rsplit(' ').next()? != key {
                return None;
            }
            value.split_ascii_whitespace().next()?.parse().ok()
        })
    }
}

fn host(tree: &Tree) -> Result<MemInfo> {
    let path = "/proc/meminfo";
    tree.text(path)
        .map(MemInfo)
        .map_err(|cause| cannot_open(path, &cause))
}

fn cell(tree: &Tree, node: u32) -> Result<MemInfo> {
    let path = format!("{NODES}/node{node}/meminfo");
    tree.text(&path)
        .map(MemInfo)
        .map_err(|cause| cannot_open(&path, &cause))
}

fn cannot_open(path: &str, cause: &std::io::Error) -> Error {
    Error::system(ErrorDomain::None, format!("cannot open {path}"), cause)
}

fn unreadable(path: &str) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::None,
        format!("no available memory line found in {path}"),
    )
}
