//! Heterogeneous memory: caches in front of a node's memory, and how fast nodes reach it (the
//! kernel's `Documentation/admin-guide/mm/numaperf.rst`).

use virt_xml::Element;

use crate::sysfs::Tree;

/// A cache between CPUs and a node's memory.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct MemorySideCache {
    /// Its level, 1 is nearest to the memory.
    #[xml(attr)]
    pub level: u32,
    /// `direct`, `full` or `none`.
    #[xml(attr)]
    pub associativity: String,
    /// `writeback`, `writethrough` or `none`.
    #[xml(attr)]
    pub policy: String,
    /// Its size.
    #[xml(child)]
    pub size: Amount,
    /// The size of a line.
    #[xml(child)]
    pub line: Amount,
}

/// An amount with a unit.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Amount {
    /// How many.
    #[xml(attr)]
    pub value: u64,
    /// Of what.
    #[xml(attr)]
    pub unit: String,
}

/// How fast nodes reach each other's memory.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Interconnects {
    /// In nanoseconds.
    #[xml(child)]
    pub latency: Vec<Interconnect>,
    /// In KiB per second.
    #[xml(child)]
    pub bandwidth: Vec<Interconnect>,
}

/// One way.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Interconnect {
    /// The node of the CPU.
    #[xml(attr)]
    pub initiator: u32,
    /// The node of the memory.
    #[xml(attr)]
    pub target: u32,
    /// `read` or `write`.
    #[xml(attr = "type")]
    pub kind: String,
    /// How much.
    #[xml(attr)]
    pub value: u64,
    /// `KiB`, for bandwidth.
    #[xml(attr)]
    pub unit: Option<String>,
}

fn folder(node: u32) -> String {
    format!("/sys/devices/system/node/node{node}")
}

pub(super) fn side_caches(tree: &Tree, node: u32) -> Vec<MemorySideCache> {
    let folder = folder(node) + "/memory_side_cache";
    let caches = tree.numbered(&folder, "index").into_iter();
    caches
        .filter_map(|level| {
            let number = |name: &str| tree.number::<u64>(&format!("{folder}/index{level}/{name}"));
            let amount = |(value, unit): (u64, &str)| Amount {
                value,
                unit: unit.to_owned(),
            };
            let word = |index: u64, words: [&str; 2]| {
                let at = usize::try_from(index).ok();
                at.and_then(|at| words.get(at))
                    .unwrap_or(&"none")
                    .to_string()
            };
            let size = number("size")?;
            Some(MemorySideCache {
                level,
                associativity: word(number("indexing")?, ["direct", "full"]),
                policy: word(number("write_policy")?, ["writeback", "writethrough"]),
                size: amount((size / 1024, "KiB")),
                line: amount((number("line_size")?, "B")),
            })
        })
        .collect()
}

/// Of the nodes that have both; class 1 accesses are those of CPUs.
pub(super) fn interconnects(tree: &Tree, nodes: &[u32]) -> Option<Interconnects> {
    let mut all = Interconnects {
        latency: Vec::new(),
        bandwidth: Vec::new(),
    };
    for target in nodes.iter().copied() {
        let folder = folder(target) + "/access1/initiators";
        for initiator in tree.numbered(&folder, "node") {
            for kind in ["read", "write"] {
                let value = |what: &str| tree.number::<u64>(&format!("{folder}/{kind}_{what}"));
                let entry = |value: u64, unit: Option<&str>| Interconnect {
                    initiator,
                    target,
                    kind: kind.to_owned(),
                    value,
                    unit: unit.map(str::to_owned),
                };
                if let Some(nanoseconds) = value("latency") {
                    all.latency.push(entry(nanoseconds, None));
                }
                if let Some(mebibytes) = value("bandwidth") {
                    let kib = mebibytes.saturating_mul(1024);
                    all.bandwidth.push(entry(kib, Some("KiB")));
                }
            }
        }
    }
    (!all.latency.is_empty() || !all.bandwidth.is_empty()).then_some(all)
}
