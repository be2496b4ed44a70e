//! The host as one value: where its numbers are read, and which of them are remembered.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use virt_error::Result;

use crate::cpuset::CpuSet;
use crate::node::cpu_stats;
use crate::node::info::{self, NodeInfo};
use crate::node::memory::{self, Stat};
use crate::node::pages::{self, Pages};
use crate::sysfs::Tree;

/// How long the summary may lag behind CPU and memory hot-plug.
const FRESH: Duration = Duration::from_secs(1);

/// `virNodeGetCPUMap`: which CPUs there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuMap {
    /// How many CPUs the map covers: the highest present number plus one.
    pub present: u32,
    /// Those on line.
    pub online: CpuSet,
}

/// What is asked about the machine the daemon runs on.
///
/// Cheap to share; every method may be called from any thread.
#[derive(Debug)]
pub struct Host {
    tree: Tree,
    machine: Arc<str>,
    page_kib: u64,
    ticks_per_second: u64,
    info: Mutex<Option<(Instant, NodeInfo)>>,
}

impl Host {
    /// This machine.
    pub fn local() -> Self {
        let uname = rustix::system::uname();
        Self::at("/", &uname.machine().to_string_lossy())
    }

    /// A host whose `/sys` and `/proc` are below `root` and whose `uname -m` says `machine`.
    pub fn at(root: impl Into<PathBuf>, machine: &str) -> Self {
        Self {
            tree: Tree::at(root),
            machine: machine.into(),
            page_kib: (rustix::param::page_size() / 1024).max(1) as u64,
            ticks_per_second: rustix::param::clock_ticks_per_second(),
            info: Mutex::new(None),
        }
    }

    /// The tree that is read.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The machine name of `uname`, which is also the host's architecture.
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// The size of an ordinary page in KiB.
    pub fn page_kib(&self) -> u64 {
        self.page_kib
    }

    /// The summary of CPUs and memory, at most one second old.
    ///
    /// # Errors
    /// When `/sys` or the memory counters can't be read.
    pub fn node_info(&self) -> Result<NodeInfo> {
        let mut cached = self.info.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, info)) = &*cached
            && read.elapsed() < FRESH
        {
            return Ok(info.clone());
        }
        let info = info::read(&self.tree, &self.machine)?;
        *cached = Some((Instant::now(), info.clone()));
        Ok(info)
    }

    /// Which CPUs there are and which are on line.
    ///
    /// # Errors
    /// When `/sys` can't be read.
    pub fn cpu_map(&self) -> Result<CpuMap> {
        let present = info::present(&self.tree)?;
        let online = info::online(&self.tree, &present);
        Ok(CpuMap {
            present: present.last().map_or(0, |last| last + 1),
            online,
        })
    }

    /// Memory counters in KiB: `total free buffers cached` for -1, `total free` of a NUMA node.
    ///
    /// # Errors
    /// `INVALID_ARG` for a node that doesn't exist.
    pub fn memory_stats(&self, cell: i32) -> Result<Vec<Stat>> {
        memory::stats(&self.tree, cell)
    }

    /// Nanoseconds spent in `kernel user idle iowait` by one CPU, or by all for -1.
    ///
    /// # Errors
    /// `INVALID_ARG` for a CPU that doesn't exist or is off line.
    pub fn cpu_stats(&self, cpu: i32) -> Result<Vec<Stat>> {
        cpu_stats::stats(&self.tree, cpu, self.ticks_per_second)
    }

    /// Free memory in bytes.
    ///
    /// # Errors
    /// When the memory counters can't be read.
    pub fn free_memory(&self) -> Result<u64> {
        Ok(memory::free_kib(&self.tree)?.saturating_mul(1024))
    }

    /// Free bytes of the NUMA nodes from `start` on, at most `max` of them.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when `start` is beyond the last node.
    pub fn cells_free_memory(&self, start: i32, max: i32) -> Result<Vec<u64>> {
        memory::cells_free(&self.tree, start, max)
    }

    /// Free pages of the wanted sizes (KiB), node by node; `start` -1 means the whole host.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when `start` is beyond the last node, `OPERATION_FAILED` for a page size
    /// the host doesn't have.
    pub fn free_pages(&self, sizes: &[u32], start: i32, count: u32) -> Result<Vec<u64>> {
        pages::free(&self.tree, sizes, start, count, self.page_kib)
    }

    /// The host's page sizes in KiB, the ordinary one first.
    pub fn page_sizes(&self) -> Vec<u64> {
        pages::sizes(&self.tree, self.page_kib)
    }

    /// Total memory of a NUMA node in KiB.
    pub fn node_total_kib(&self, node: u32) -> Option<u64> {
        memory::cell_total_kib(&self.tree, node)
    }

    /// The page pools of a NUMA node.
    pub fn node_pages(&self, node: u32) -> Vec<Pages> {
        pages::of_node(&self.tree, node, self.page_kib)
    }
}
