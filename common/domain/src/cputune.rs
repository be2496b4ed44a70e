//! `<cputune>`: which host CPUs run what, with how much time.

use crate::number_set::NumberSet;
use crate::scaled::{KIB, KiB, amount_attr, pretty};
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer};

/// `<cputune>`. Periods and quotas are microseconds.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Cputune {
    /// Weight against other guests.
    #[xml(child_text)]
    pub shares: Option<u64>,
    /// Period of a virtual CPU.
    #[xml(child_text)]
    pub period: Option<u64>,
    /// Its time in each.
    #[xml(child_text)]
    pub quota: Option<i64>,
    /// Period of the whole guest.
    #[xml(child_text)]
    pub global_period: Option<u64>,
    /// Its time in each.
    #[xml(child_text)]
    pub global_quota: Option<i64>,
    /// Period of the threads that are neither virtual CPU nor I/O thread.
    #[xml(child_text)]
    pub emulator_period: Option<u64>,
    /// Their time in each.
    #[xml(child_text)]
    pub emulator_quota: Option<i64>,
    /// Period of an I/O thread.
    #[xml(child_text)]
    pub iothread_period: Option<u64>,
    /// Its time in each.
    #[xml(child_text)]
    pub iothread_quota: Option<i64>,
    /// Host CPUs of virtual CPUs.
    #[xml(child = "vcpupin")]
    pub vcpupins: Vec<Vcpupin>,
    /// Host CPUs of the emulator.
    #[xml(child)]
    pub emulatorpin: Option<Emulatorpin>,
    /// Host CPUs of I/O threads.
    #[xml(child = "iothreadpin")]
    pub iothreadpins: Vec<Iothreadpin>,
    /// How the emulator is scheduled.
    #[xml(child)]
    pub emulatorsched: Option<Scheduling>,
    /// How virtual CPUs are scheduled.
    #[xml(child = "vcpusched")]
    pub vcpuscheds: Vec<Vcpusched>,
    /// How I/O threads are scheduled.
    #[xml(child = "iothreadsched")]
    pub iothreadscheds: Vec<Iothreadsched>,
    /// Parts of the caches.
    #[xml(child = "cachetune")]
    pub cachetunes: Vec<Cachetune>,
    /// Shares of the memory's bandwidth.
    #[xml(child = "memorytune")]
    pub memorytunes: Vec<Memorytune>,
}

/// `<vcpupin/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Vcpupin {
    /// The virtual CPU.
    #[xml(attr)]
    pub vcpu: u32,
    /// Its host CPUs.
    #[xml(attr)]
    pub cpuset: NumberSet,
}

/// `<emulatorpin/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Emulatorpin {
    /// The host CPUs.
    #[xml(attr)]
    pub cpuset: NumberSet,
}

/// `<iothreadpin/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Iothreadpin {
    /// The I/O thread.
    #[xml(attr)]
    pub iothread: u32,
    /// Its host CPUs.
    #[xml(attr)]
    pub cpuset: NumberSet,
}

/// A scheduler's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum Scheduler {
    /// SCHED_BATCH
    Batch,
    /// SCHED_IDLE
    Idle,
    /// SCHED_FIFO
    Fifo,
    /// SCHED_RR
    Rr,
}

/// How threads are scheduled.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Scheduling {
    /// By which scheduler.
    #[xml(attr)]
    pub scheduler: Scheduler,
    /// With which priority, for those that have one.
    #[xml(attr)]
    pub priority: Option<u16>,
}

/// `<vcpusched/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Vcpusched {
    /// The virtual CPUs.
    #[xml(attr)]
    pub vcpus: Option<NumberSet>,
    /// How.
    #[xml(flatten)]
    pub scheduling: Scheduling,
}

/// `<iothreadsched/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Iothreadsched {
    /// The I/O threads.
    #[xml(attr)]
    pub iothreads: Option<NumberSet>,
    /// How.
    #[xml(flatten)]
    pub scheduling: Scheduling,
}

/// `<cachetune>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Cachetune {
    /// The virtual CPUs it is for.
    #[xml(attr)]
    pub vcpus: NumberSet,
    /// Name of the group that was made for it.
    #[xml(attr)]
    pub id: Option<String>,
    /// What is set apart.
    #[xml(child = "cache")]
    pub caches: Vec<CachePart>,
    /// What is counted.
    #[xml(child = "monitor")]
    pub monitors: Vec<CacheMonitor>,
}

/// Part of a cache.
#[derive(Debug, Clone, PartialEq)]
pub struct CachePart {
    /// The host's number of the cache.
    pub id: u32,
    /// Its level.
    pub level: u32,
    /// What is kept in it.
    pub kind: CacheKind,
    /// How much of it.
    pub size: KiB,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum CacheKind {
    /// Instructions and data.
    Both,
    /// Instructions.
    Code,
    /// Data.
    Data,
}

impl Element for CachePart {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self {
            id: node.required("id")?,
            level: node.required("level")?,
            kind: node.required("type")?,
            size: match amount_attr(node, "size", KIB)? {
                Some(bytes) => KiB(bytes.div_ceil(KIB)),
                None => KiB(node.required("size")?),
            },
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("id", &self.id);
        tag.attr("level", &self.level);
        tag.attr("type", &self.kind);
        let (size, unit) = pretty(self.size.bytes());
        tag.attr("size", &size);
        tag.text("unit", unit);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<monitor/>` of a cache.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct CacheMonitor {
    /// The cache's level.
    #[xml(attr)]
    pub level: u32,
    /// Whose use is counted.
    #[xml(attr)]
    pub vcpus: NumberSet,
}

/// `<memorytune>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Memorytune {
    /// The virtual CPUs it is for.
    #[xml(attr)]
    pub vcpus: NumberSet,
    /// Shares by host node.
    #[xml(child = "node")]
    pub nodes: Vec<BandwidthNode>,
    /// What is counted.
    #[xml(child = "monitor")]
    pub monitors: Vec<BandwidthMonitor>,
}

/// A share of a node's memory bandwidth.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct BandwidthNode {
    /// The host's node.
    #[xml(attr)]
    pub id: u32,
    /// Percent.
    #[xml(attr)]
    pub bandwidth: u32,
}

/// `<monitor/>` of memory bandwidth.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct BandwidthMonitor {
    /// Whose use is counted.
    #[xml(attr)]
    pub vcpus: NumberSet,
}
