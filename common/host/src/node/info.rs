//! `virConnectGetNodeInfo`: the summary of CPUs and memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::cpuset::CpuSet;
use crate::sysfs::Tree;

use super::memory;

/// The summary clients print with `virsh nodeinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// The machine name of `uname`, for instance `x86_64`.
    pub model: Arc<str>,
    /// Memory of all NUMA nodes in KiB.
    pub memory: u64,
    /// CPUs that are on line.
    pub cpus: u32,
    /// Clock of the first CPU in MHz, 0 when unknown.
    pub mhz: u32,
    /// NUMA nodes, 1 when the topology is irregular.
    pub nodes: u32,
    /// Sockets per node, 1 when the topology is irregular.
    pub sockets: u32,
    /// Cores per socket, or all CPUs when the topology is irregular.
    pub cores: u32,
    /// Threads per core, 1 when the topology is irregular.
    pub threads: u32,
}

/// Collects the summary.
///
/// The promise clients rely on (libvirt-host.h, `VIR_NODEINFO_MAXCPUS`) is that nodes × sockets ×
/// cores × threads are all CPUs, those that are off line included; a host whose topology can't be
/// told that way is reported as one node with one socket of single-threaded cores.
pub(crate) fn read(tree: &Tree, machine: &Arc<str>) -> Result<NodeInfo> {
    let present = present(tree)?;
    let online = online(tree, &present);
    let mut info = NodeInfo {
        model: Arc::clone(machine),
        memory: memory::total_kib(tree)?,
        cpus: online.len() as u32,
        mhz: mhz(tree),
        nodes: 0,
        sockets: 0,
        cores: 0,
        threads: 0,
    };

    let nodes = tree.numbered("/sys/devices/system/node", "node");
    let groups: Vec<CpuSet> = if nodes.is_empty() {
        vec![present.clone()]
    } else {
        let cpus_of = |node| tree.numbered(&format!("/sys/devices/system/node/node{node}"), "cpu");
        nodes
            .into_iter()
            .map(|node| cpus_of(node).into_iter().collect())
            .collect()
    };
    let mut offline = 0;
    for cpus in &groups {
        let shape = Shape::of(tree, cpus, &online);
        offline += shape.offline;
        if shape.sockets == 0 {
            continue; // memory only
        }
        info.nodes += 1;
        info.sockets = info.sockets.max(shape.sockets);
        info.cores = info.cores.max(shape.cores);
        info.threads = info.threads.max(shape.threads);
    }
    let all = info.cpus + offline;
    if info.nodes * info.sockets * info.cores * info.threads != all {
        (info.nodes, info.sockets, info.cores, info.threads) = (1, 1, all, 1);
    }
    Ok(info)
}

/// How the CPUs of one node are arranged.
struct Shape {
    sockets: u32,
    cores: u32,
    threads: u32,
    offline: u32,
}

impl Shape {
    fn of(tree: &Tree, cpus: &CpuSet, online: &CpuSet) -> Self {
        let mut sockets: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let (mut threads, mut offline) = (0, 0);
        for cpu in cpus.iter() {
            if !online.contains(cpu) {
                offline += 1;
                continue;
            }
            let topology = format!("/sys/devices/system/cpu/cpu{cpu}/topology");
            // Kernels without the file mean one socket; numbers below zero mean "unknown".
            let id = |name: &str| {
                let value: i64 = tree.number(&format!("{topology}/{name}")).unwrap_or(0);
                u32::try_from(value).unwrap_or(0)
            };
            sockets
                .entry(id("physical_package_id"))
                .or_default()
                .insert(id("core_id"));
            let siblings = tree
                .line(&format!("{topology}/thread_siblings_list"))
                .and_then(|list| CpuSet::parse(&list))
                .map_or(1, |set| set.len() as u32);
            threads = threads.max(siblings.max(1));
        }
        Self {
            sockets: sockets.len() as u32,
            cores: sockets
                .values()
                .map(|cores| cores.len() as u32)
                .max()
                .unwrap_or(0),
            threads,
            offline,
        }
    }
}

/// The CPUs that are plugged in.
pub(crate) fn present(tree: &Tree) -> Result<CpuSet> {
    let path = "/sys/devices/system/cpu/present";
    if let Some(set) = tree.line(path).and_then(|list| CpuSet::parse(&list)) {
        return Ok(set);
    }
    let listed: CpuSet = tree
        .numbered("/sys/devices/system/cpu", "cpu")
        .into_iter()
        .collect();
    if listed.is_empty() {
        return Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::None,
            format!("no CPUs found: {path} can't be read (is /sys mounted?)"),
        ));
    }
    Ok(listed)
}

/// The CPUs that are on line; all present ones where the kernel can't switch them off.
pub(crate) fn online(tree: &Tree, present: &CpuSet) -> CpuSet {
    tree.line("/sys/devices/system/cpu/online")
        .and_then(|list| CpuSet::parse(&list))
        .unwrap_or_else(|| present.clone())
}

fn mhz(tree: &Tree) -> u32 {
    let Ok(text) = tree.text("/proc/cpuinfo") else {
        return 0;
    };
    text.lines()
        .find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == "cpu MHz").then(|| value.trim().split('.').next()?.parse().ok())?
        })
        .unwrap_or(0)
}
