//! NUMA nodes and their CPUs.

use virt_xml::Element;

use crate::Host;
use crate::cpuset::CpuSet;
use crate::node::pages::Pages;
use crate::sysfs::Tree;

use super::hmat::{self, Interconnects, MemorySideCache};
use super::size::{Kib, PageSize};

const NODES: &str = "/sys/devices/system/node";

/// The element.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Topology {
    /// The nodes.
    #[xml(child)]
    pub cells: Cells,
    /// How fast they reach each other.
    #[xml(child)]
    pub interconnects: Option<Interconnects>,
}

/// All nodes.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Cells {
    /// How many.
    #[xml(attr)]
    pub num: u32,
    /// Each of them.
    #[xml(child = "cell")]
    pub cells: Vec<Cell>,
}

/// A NUMA node.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Cell {
    /// Its number.
    #[xml(attr)]
    pub id: u32,
    /// Its memory.
    #[xml(child)]
    pub memory: Option<Kib>,
    /// Its pages by size.
    #[xml(child)]
    pub pages: Vec<PageSize>,
    /// How far the others are.
    #[xml(child)]
    pub distances: Option<Distances>,
    /// Caches in front of its memory.
    #[xml(child)]
    pub cache: Vec<MemorySideCache>,
    /// Its CPUs.
    #[xml(child)]
    pub cpus: Cpus,
}

/// Distances from a node.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Distances {
    /// To each node.
    #[xml(child)]
    pub sibling: Vec<Sibling>,
}

/// The distance to a node; 10 is the distance to itself.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Sibling {
    /// The node.
    #[xml(attr)]
    pub id: u32,
    /// The distance.
    #[xml(attr)]
    pub value: u32,
}

/// CPUs of a node.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Cpus {
    /// How many.
    #[xml(attr)]
    pub num: u32,
    /// Each of them.
    #[xml(child)]
    pub cpu: Vec<Cpu>,
}

/// A CPU; of one that is off line only the number is known.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Cpu {
    /// Its number.
    #[xml(attr)]
    pub id: u32,
    /// Where it is.
    #[xml(attr)]
    pub socket_id: Option<i64>,
    /// Where it is.
    #[xml(attr)]
    pub die_id: Option<i64>,
    /// Where it is.
    #[xml(attr)]
    pub cluster_id: Option<i64>,
    /// Where it is.
    #[xml(attr)]
    pub core_id: Option<i64>,
    /// The CPUs that share its core.
    #[xml(attr)]
    pub siblings: Option<String>,
}

/// Memory of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeMemory {
    /// In KiB.
    pub kib: Option<u64>,
    /// By page size.
    pub pages: Vec<Pages>,
}

impl Topology {
    /// The host's. A host without NUMA has one node.
    pub fn read(host: &Host) -> Self {
        Self::with_memory(host.tree(), |node| NodeMemory {
            kib: host.node_total_kib(node),
            pages: host.node_pages(node),
        })
    }

    /// The topology of a tree whose nodes have memory as told.
    pub fn with_memory(tree: &Tree, memory: impl Fn(u32) -> NodeMemory) -> Self {
        let nodes = tree.numbered(NODES, "node");
        let real = !nodes.is_empty();
        let nodes = if real { nodes } else { vec![0] };
        let cells: Vec<_> = nodes
            .iter()
            .map(|node| cell(tree, *node, real, memory(*node)))
            .collect();
        Self {
            interconnects: hmat::interconnects(tree, &nodes),
            cells: Cells {
                num: cells.len() as u32,
                cells,
            },
        }
    }
}

fn cell(tree: &Tree, node: u32, real: bool, memory: NodeMemory) -> Cell {
    let folder = format!("{NODES}/node{node}");
    let listed = tree
        .line(&format!("{folder}/cpulist"))
        .and_then(|list| CpuSet::parse(&list));
    let cpus = match listed {
        Some(list) => list.iter().collect(),
        None if real => tree.numbered(&folder, "cpu"),
        None => tree.numbered("/sys/devices/system/cpu", "cpu"),
    };
    let cpu: Vec<_> = cpus.into_iter().map(|id| cpu(tree, id)).collect();
    Cell {
        id: node,
        memory: memory.kib.map(Kib::new),
        pages: memory
            .pages
            .iter()
            .map(|pages| PageSize::new(pages.size, Some(pages.total)))
            .collect(),
        distances: distances(tree, &folder),
        cache: hmat::side_caches(tree, node),
        cpus: Cpus {
            num: cpu.len() as u32,
            cpu,
        },
    }
}

/// The file has a distance for each node that is on line, in their order.
fn distances(tree: &Tree, folder: &str) -> Option<Distances> {
    let line = tree.line(&format!("{folder}/distance"))?;
    let others = tree.numbered(NODES, "node");
    let sibling: Vec<_> = line
        .split_ascii_whitespace()
        .zip(others)
        .filter_map(|(value, id)| {
            let value = value.parse().ok()?;
            Some(Sibling { id, value })
        })
        .collect();
    (!sibling.is_empty()).then_some(Distances { sibling })
}

fn cpu(tree: &Tree, id: u32) -> Cpu {
    let folder = format!("/sys/devices/system/cpu/cpu{id}");
    let mut cpu = Cpu {
        id,
        socket_id: None,
        die_id: None,
        cluster_id: None,
        core_id: None,
        siblings: None,
    };
    // Processors that can't be switched off have no such file.
    if tree.number::<u32>(&format!("{folder}/online")) == Some(0) {
        return cpu;
    }
    let number = |name: &str| {
        // Kernels that don't know it lack the file or say -1.
        let value = tree.number::<i64>(&format!("{folder}/topology/{name}"));
        Some(value.unwrap_or(0).max(0))
    };
    cpu.socket_id = number("physical_package_id");
    cpu.die_id = number("die_id");
    cpu.cluster_id = number("cluster_id");
    cpu.core_id = number("core_id");
    let siblings = tree
        .line(&format!("{folder}/topology/thread_siblings_list"))
        .and_then(|list| CpuSet::parse(&list))
        .unwrap_or_else(|| [id].into_iter().collect());
    cpu.siblings = Some(siblings.to_string());
    cpu
}
