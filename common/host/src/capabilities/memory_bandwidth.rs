//! Memory bandwidth that can be divided among guests. It is divided per last-level cache.

use virt_xml::Element;

use crate::sysfs::Tree;

use super::cache::{Caches, Monitor};
use super::resctrl;

/// The element.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct MemoryBandwidth {
    /// The groups of CPUs that share a way to the memory.
    #[xml(child = "node")]
    pub nodes: Vec<BandwidthNode>,
    /// What can be watched.
    #[xml(child)]
    pub monitor: Option<Monitor>,
}

/// A group of CPUs.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct BandwidthNode {
    /// The number of their cache.
    #[xml(attr)]
    pub id: u32,
    /// The CPUs.
    #[xml(attr)]
    pub cpus: String,
    /// How it can be divided.
    #[xml(child)]
    pub control: Share,
}

/// Shares in per cent.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Share {
    /// The smallest step.
    #[xml(attr)]
    pub granularity: u64,
    /// The smallest share.
    #[xml(attr)]
    pub min: u64,
    /// How many.
    #[xml(attr = "maxAllocs")]
    pub max_allocs: u32,
}

impl MemoryBandwidth {
    /// The host's, whose caches are known.
    pub fn read(tree: &Tree, caches: Option<&Caches>) -> Option<Self> {
        let (granularity, min, max_allocs) = resctrl::bandwidth(tree)?;
        let banks = &caches?.banks;
        let last = banks.iter().map(|bank| bank.level).max()?;
        let nodes = banks
            .iter()
            .filter(|bank| bank.level == last)
            .map(|bank| BandwidthNode {
                id: bank.id,
                cpus: bank.cpus.clone(),
                control: Share {
                    granularity,
                    min,
                    max_allocs,
                },
            })
            .collect();
        Some(Self {
            nodes,
            monitor: resctrl::monitor(tree, |name| name.starts_with("mbm_")),
        })
    }
}
