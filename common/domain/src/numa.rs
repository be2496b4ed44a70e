//! `<numa>` of `<cpu>`: the guest's nodes, their distances and caches.

mod settle;

use crate::memory::MemAccess;
use crate::number_set::NumberSet;
use crate::refusal::xml;
use crate::scaled::{KIB, KiB, amount_attr};
use std::collections::HashMap;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer, YesNo};

/// `<numa>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numa {
    /// The nodes, by their ids.
    pub cells: Vec<NumaCell>,
    /// How fast they reach each other's memory.
    pub interconnects: Option<Interconnects>,
}

impl Element for Numa {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let cells: Vec<NumaCell> = node.children("cell")?;
        let count = cells.len();
        let mut sorted: Vec<Option<NumaCell>> = vec![None; count];
        for (index, mut cell) in cells.into_iter().enumerate() {
            // A node without an id has its place as id.
            let id = cell.id.unwrap_or(u32::try_from(index).unwrap_or(u32::MAX));
            cell.id = Some(id);
            match sorted.get_mut(id as usize) {
                None => {
                    return Err(node.error(
                        "Exactly one 'cell' element per guest NUMA cell allowed, non-contiguous ranges or ranges not starting from 0 are not allowed",
                    ));
                }
                Some(Some(_)) => {
                    return Err(node.error(format!("Duplicate NUMA cell info for cell id '{id}'")));
                }
                Some(free) => *free = Some(cell),
            }
        }
        let cells: Vec<NumaCell> = sorted.into_iter().flatten().collect();
        let mut owners: HashMap<u32, usize> = HashMap::new();
        for (index, cell) in cells.iter().enumerate() {
            for vcpu in cell.cpus.iter().flat_map(NumberSet::iter) {
                if let Some(other) = owners.insert(vcpu, index) {
                    return Err(crate::refusal::unsupported(format!(
                        "NUMA cells {index} and {other} have overlapping vCPU ids"
                    )));
                }
            }
            cell.check(count)?;
        }
        Ok(Self {
            cells,
            interconnects: node.child("interconnects")?,
        })
    }

    fn attrs(&self, _tag: &mut Tag<'_>) {}

    fn content(&self, out: &mut Writer) {
        for cell in &self.cells {
            out.element("cell", cell);
        }
        out.maybe("interconnects", self.interconnects.as_ref());
    }
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NumaCell {
    /// Its number; always there after reading.
    pub id: Option<u32>,
    /// Its virtual CPUs.
    pub cpus: Option<NumberSet>,
    /// Its memory.
    pub memory: KiB,
    /// Who else sees it.
    pub mem_access: Option<MemAccess>,
    /// Whether its content is thrown away before QEMU exits.
    pub discard: Option<YesNo>,
    /// How far the others are.
    pub distances: Option<Distances>,
    /// Caches between it and the memory.
    pub caches: Vec<MemoryCache>,
}

impl Element for NumaCell {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self {
            id: node.attr("id")?,
            cpus: crate::vcpu::cpuset(node, "cpus")?,
            memory: match amount_attr(node, "memory", KIB)? {
                Some(bytes) => KiB(bytes.div_ceil(KIB)),
                None => KiB(node.required("memory")?),
            },
            mem_access: node.attr("memAccess")?,
            discard: node.attr("discard")?,
            distances: node.child("distances")?,
            caches: node.children("cache")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("id", &self.id);
        tag.maybe("cpus", &self.cpus);
        tag.attr("memory", &self.memory.0);
        tag.text("unit", "KiB");
        tag.maybe("memAccess", &self.mem_access);
        tag.maybe("discard", &self.discard);
    }

    fn content(&self, out: &mut Writer) {
        out.maybe("distances", self.distances.as_ref());
        for cache in &self.caches {
            out.element("cache", cache);
        }
    }
}

impl NumaCell {
    /// Checks distances and caches, in a guest of `count` nodes.
    fn check(&self, count: usize) -> Result<()> {
        let own = self.id.unwrap_or_default();
        if let Some(distances) = &self.distances {
            if distances.siblings.is_empty() {
                return Err(xml("NUMA distances defined without siblings"));
            }
            for sibling in &distances.siblings {
                if sibling.id as usize >= count {
                    return Err(xml(format!(
                        "'sibling_id {}' does not refer to a valid cell within NUMA 'cell id {own}'",
                        sibling.id
                    )));
                }
                // 10 is the node itself and nothing else.
                let local = sibling.value == LOCAL_DISTANCE;
                if !(LOCAL_DISTANCE..=UNREACHABLE).contains(&sibling.value)
                    || local != (sibling.id == own)
                {
                    return Err(xml(format!(
                        "'value {}' is invalid for 'sibling id {}' under NUMA 'cell id {own}'",
                        sibling.value, sibling.id
                    )));
                }
            }
        }
        let mut levels = [false; MAX_CACHE_LEVEL + 1];
        for cache in &self.caches {
            if cache.level == 0 {
                return Err(xml(
                    "Invalid value for attribute 'level' in element 'cache': Zero is not permitted",
                ));
            }
            let Some(level) = levels.get_mut(cache.level as usize) else {
                return Err(xml("Ain't nobody heard of that much cache level"));
            };
            if std::mem::replace(level, true) {
                return Err(xml(format!(
                    "Cache level '{}' already defined",
                    cache.level
                )));
            }
        }
        Ok(())
    }
}

/// The highest level of a node's caches.
const MAX_CACHE_LEVEL: usize = 3;

/// How far a node is from itself.
const LOCAL_DISTANCE: u32 = 10;

/// How far a node is that can't be reached.
const UNREACHABLE: u32 = 255;

/// `<distances>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Distances {
    /// To each other node.
    #[xml(child = "sibling")]
    pub siblings: Vec<Sibling>,
}

/// `<sibling/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Sibling {
    /// The other node.
    #[xml(attr)]
    pub id: u32,
    /// How far: 10 is itself, 20 the next, 255 out of reach.
    #[xml(attr)]
    pub value: u32,
}

/// `<cache>` of a node.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct MemoryCache {
    /// Its level.
    #[xml(attr)]
    pub level: u32,
    /// How addresses map to it.
    #[xml(attr)]
    pub associativity: CacheAssociativity,
    /// When it is written back.
    #[xml(attr)]
    pub policy: CachePolicy,
    /// Its size.
    #[xml(child)]
    pub size: CacheAmount,
    /// Size of a line.
    #[xml(child)]
    pub line: CacheAmount,
}

/// How addresses map to a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum CacheAssociativity {
    /// Not told.
    None,
    /// Directly.
    Direct,
    /// Anywhere.
    Full,
}

impl CacheAssociativity {
    /// QEMU's word.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Direct => "direct",
            Self::Full => "complex",
        }
    }
}

/// When a cache is written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum CachePolicy {
    /// Not told.
    None,
    /// Later.
    Writeback,
    /// At once.
    Writethrough,
}

impl CachePolicy {
    /// QEMU's word.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Writeback => "write-back",
            Self::Writethrough => "write-through",
        }
    }
}

/// `<size value= unit=/>`; kept in bytes, written in the unit it was given in where that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheAmount {
    /// Bytes.
    pub bytes: u64,
}

impl Element for CacheAmount {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self {
            bytes: match amount_attr(node, "value", KIB)? {
                Some(bytes) => bytes,
                None => node.required("value")?,
            },
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        let (value, unit) = crate::scaled::pretty(self.bytes);
        tag.attr("value", &value);
        tag.text("unit", unit);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<interconnects>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Interconnects {
    /// How long it takes.
    #[xml(child = "latency")]
    pub latencies: Vec<Latency>,
    /// How much goes through.
    #[xml(child = "bandwidth")]
    pub bandwidths: Vec<Bandwidth>,
}

/// What kind of access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum AccessKind {
    /// Any.
    Access,
    /// Reads.
    Read,
    /// Writes.
    Write,
}

/// `<latency/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Latency {
    /// The node that asks.
    #[xml(attr)]
    pub initiator: u32,
    /// The node that has the memory.
    #[xml(attr)]
    pub target: u32,
    /// Level of the cache it is for.
    #[xml(attr)]
    pub cache: Option<u32>,
    /// What kind of access.
    #[xml(attr = "type")]
    pub kind: AccessKind,
    /// Nanoseconds.
    #[xml(attr)]
    pub value: u64,
}

/// `<bandwidth/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    /// The node that asks.
    pub initiator: u32,
    /// The node that has the memory.
    pub target: u32,
    /// Level of the cache it is for.
    pub cache: Option<u32>,
    /// What kind of access.
    pub kind: AccessKind,
    /// KiB a second.
    pub value: KiB,
}

impl Element for Bandwidth {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self {
            initiator: node.required("initiator")?,
            target: node.required("target")?,
            cache: node.attr("cache")?,
            kind: node.required("type")?,
            value: match amount_attr(node, "value", KIB)? {
                Some(bytes) => KiB(bytes.div_ceil(KIB)),
                None => KiB(node.required("value")?),
            },
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("initiator", &self.initiator);
        tag.attr("target", &self.target);
        tag.maybe("cache", &self.cache);
        tag.attr("type", &self.kind);
        tag.attr("value", &self.value.0);
        tag.text("unit", "KiB");
    }

    fn content(&self, _out: &mut Writer) {}
}

impl Numa {
    /// Memory of all nodes together.
    pub fn memory(&self) -> KiB {
        KiB(self
            .cells
            .iter()
            .fold(0u64, |sum, cell| sum.saturating_add(cell.memory.0)))
    }

    /// How many virtual CPUs the nodes name.
    pub fn cpu_count(&self) -> usize {
        self.cells
            .iter()
            .filter_map(|cell| cell.cpus.as_ref())
            .map(NumberSet::len)
            .sum()
    }

    /// The largest number of a virtual CPU the nodes name.
    pub fn last_cpu(&self) -> Option<u32> {
        self.cells
            .iter()
            .filter_map(|cell| cell.cpus.as_ref()?.last())
            .max()
    }
}
