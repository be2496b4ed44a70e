//! How much memory a guest has and where it comes from.

use crate::number_set::NumberSet;
use crate::scaled::{KIB, KiB, amount_attr};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer};

/// `<memory>`: what the guest has when it starts, memory devices included.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Memory {
    /// Whether it is part of a core dump of QEMU.
    #[xml(attr = "dumpCore")]
    pub dump_core: Option<OnOff>,
    /// How much.
    #[xml(flatten)]
    pub size: KiB,
}

/// `<maxMemory>`: up to where memory devices can be plugged in.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct MaxMemory {
    /// Slots for memory devices.
    #[xml(attr)]
    pub slots: Option<u32>,
    /// How much with all of them.
    #[xml(flatten)]
    pub size: KiB,
}

/// `<memoryBacking>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct MemoryBacking {
    /// Huge pages.
    #[xml(child)]
    pub hugepages: Option<Hugepages>,
    /// Whether the kernel may not merge equal pages.
    #[xml(flag)]
    pub nosharepages: bool,
    /// Whether the memory stays in RAM.
    #[xml(flag)]
    pub locked: bool,
    /// What backs it.
    #[xml(child)]
    pub source: Option<MemorySource>,
    /// Who else sees it.
    #[xml(child)]
    pub access: Option<MemoryAccess>,
    /// When it is allocated.
    #[xml(child)]
    pub allocation: Option<Allocation>,
    /// Whether its content is thrown away before QEMU exits.
    #[xml(flag)]
    pub discard: bool,
}

impl MemoryBacking {
    /// What holds nothing says nothing.
    pub(crate) fn forget_empty(&mut self) {
        self.source = self.source.take().filter(|source| source.kind.is_some());
        self.access = self.access.take().filter(|access| access.mode.is_some());
        let allocation = self.allocation.take();
        self.allocation = allocation.filter(|allocation| *allocation != Allocation::default());
    }
}

/// `<hugepages>`; without a page size the host's default.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Hugepages {
    /// Sizes, each for some of the guest's nodes or for the rest.
    #[xml(child = "page")]
    pub pages: Vec<HugePage>,
}

/// `<page size= unit= nodeset=/>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HugePage {
    /// Its size.
    pub size: KiB,
    /// The guest nodes it is for; none: for all that no other page names.
    pub nodeset: Option<NumberSet>,
}

impl HugePage {
    /// Whether it names that node.
    pub fn nodeset_has(&self, node: u32) -> bool {
        self.nodeset.as_ref().is_some_and(|set| set.contains(node))
    }
}

impl Element for HugePage {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let bytes = amount_attr(node, "size", KIB)?;
        let Some(bytes) = bytes else {
            node.required::<u64>("size")?;
            return Ok(Self::default());
        };
        if bytes == 0 {
            return Err(Error::new(
                ErrorCode::XmlDetail,
                ErrorDomain::Domain,
                "hugepage size can't be zero",
            ));
        }
        Ok(Self {
            size: KiB(bytes.div_ceil(KIB)),
            nodeset: node.attr("nodeset")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("size", &self.size.0);
        tag.text("unit", "KiB");
        tag.maybe("nodeset", &self.nodeset);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<source type=/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct MemorySource {
    /// What backs the memory.
    #[xml(attr = "type")]
    pub kind: Option<MemorySourceType>,
}

/// What backs a guest's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum MemorySourceType {
    /// A file.
    File,
    /// Anonymous memory.
    Anonymous,
    /// A memfd.
    Memfd,
}

/// `<access mode=/>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct MemoryAccess {
    /// Who sees it.
    #[xml(attr)]
    pub mode: Option<MemAccess>,
}

/// Whether other processes see what a guest writes to its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum MemAccess {
    /// They do.
    Shared,
    /// They don't.
    Private,
}

/// `<allocation/>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Allocation {
    /// When.
    #[xml(attr)]
    pub mode: Option<AllocationMode>,
    /// How many threads do it.
    #[xml(attr)]
    pub threads: Option<u32>,
}

/// When memory is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum AllocationMode {
    /// Before the guest runs.
    Immediate,
    /// As it is used.
    #[word("ondemand")]
    OnDemand,
}

/// `<memtune>`: limits of the control group.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Memtune {
    /// The most memory.
    #[xml(child)]
    pub hard_limit: Option<KiB>,
    /// The most under contention.
    #[xml(child)]
    pub soft_limit: Option<KiB>,
    /// The least.
    #[xml(child)]
    pub min_guarantee: Option<KiB>,
    /// The most of memory and swap.
    #[xml(child)]
    pub swap_hard_limit: Option<KiB>,
}

/// Limits of this many KiB and more are as good as none and not written.
pub const UNLIMITED_KIB: u64 = 9_007_199_254_740_991;
