//! `-m` and the back ends of the guest's memory.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::{OptionList, Props};
use crate::caps::{CapFlag, Machine};
use crate::define::accel;
use virt_domain::devices::memory::{MemoryDevice, MemoryModel};
use virt_domain::memory::{AllocationMode, MemAccess, MemoryBacking, MemorySourceType};
use virt_domain::numatune::NumaMode;
use virt_domain::vcpu::Placement;
use virt_domain::{Domain, KiB, NumberSet};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Whether the device is persistent memory that the machine has to know of.
pub(super) fn is_nvdimm(device: &MemoryDevice) -> bool {
    device.model == MemoryModel::Nvdimm
}

/// Nodes that memory is taken from have to be there.
fn check_nodes(domain: &Domain, context: &StartContext) -> Result<()> {
    let known = !context.host_nodes.is_empty();
    let Some(numatune) = domain.numatune.as_ref().filter(|_| known) else {
        return Ok(());
    };
    let whole = numatune.memory.iter().filter_map(|m| m.nodeset.as_ref());
    let single = numatune.memnodes.iter().map(|node| &node.nodeset);
    let missing = whole
        .chain(single)
        .flat_map(NumberSet::iter)
        .find(|node| !context.host_nodes.contains(*node));
    match missing {
        None => Ok(()),
        Some(node) => Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Qemu,
            format!("NUMA node {node} is unavailable"),
        )),
    }
}

/// `-m`, and the back end of the RAM of a guest without NUMA nodes.
pub(super) fn append(b: &mut Builder, domain: &Domain, context: &StartContext) -> Result<()> {
    check_nodes(domain, context)?;
    let size = domain.initial_memory();
    let mut list = OptionList::default().with("size", format!("{}k", size.0));
    if let Some(max) = &domain.max_memory {
        list = list
            .maybe("slots", max.slots.filter(|slots| *slots > 0))
            .with("maxmem", format!("{}k", max.size.0));
    }
    b.option("-m", list.finish());
    let name = domain.os.kind.machine.as_deref().unwrap_or_default();
    let machine: Option<&Machine> = b.caps.machine(accel(domain.virt_type), name);
    if let Some(id) = super::machine::system_ram(domain, machine) {
        let part = MemoryPart {
            id,
            size,
            node: None,
            access: None,
            discard: None,
            is_system: true,
        };
        Backend::choose(domain, context, &part)?.append(b);
    }
    Ok(())
}

/// A part of a guest's memory that needs a back end.
pub(super) struct MemoryPart<'a> {
    /// Its id.
    pub(super) id: &'a str,
    /// How much.
    pub(super) size: KiB,
    /// The guest's node it belongs to.
    pub(super) node: Option<u32>,
    /// Who else sees it, where that was said for this part.
    pub(super) access: Option<MemAccess>,
    /// Whether it is thrown away at the end, where that was said for this part.
    pub(super) discard: Option<bool>,
    /// Whether it is the machine's own RAM.
    pub(super) is_system: bool,
}

/// A memory back end.
pub(super) struct Backend {
    /// Its properties.
    pub(super) props: Props,
    /// The host nodes it is allocated from, if that is said.
    host_nodes: Option<NumberSet>,
    prealloc: bool,
    id: String,
    /// Whether plain memory would do without saying anything.
    pub(super) is_plain: bool,
}

impl Backend {
    /// Chooses the back end of a part of the memory.
    ///
    /// # Errors
    /// INTERNAL_ERROR when there is no file system with the pages that are asked for.
    pub(super) fn choose(
        domain: &Domain,
        context: &StartContext,
        part: &MemoryPart,
    ) -> Result<Self> {
        let none = MemoryBacking::default();
        let backing = domain.memory_backing.as_ref().unwrap_or(&none);
        let page = page_size(domain, context, backing, part)?;
        let source = backing.source.as_ref().map(|s| s.kind);
        let share = part
            .access
            .or_else(|| backing.access.as_ref().map(|access| access.mode));
        let mut prealloc = backing
            .allocation
            .as_ref()
            .is_some_and(|a| a.mode == Some(AllocationMode::Immediate));
        let mut props;
        let mut is_plain = false;
        let name = |kind: &str| Props::of("qom-type", kind).with("id", part.id);
        if source == Some(MemorySourceType::Memfd) {
            props = name("memory-backend-memfd");
            if let Some((kib, _)) = &page {
                props.put("hugetlb", true);
                props.put("hugetlbsize", kib * 1024);
                prealloc = true;
            }
        } else if page.is_some() || source == Some(MemorySourceType::File) || share.is_some() {
            props = name("memory-backend-file");
            let path = match &page {
                Some((_, mount)) => mount.join("libvirt/qemu").join(&context.short_name),
                None => context
                    .config
                    .memory_backing_dir
                    .join(&context.short_name)
                    .join(part.id),
            };
            props.put("mem-path", path.to_string_lossy().into_owned());
            prealloc |= page.is_some();
            let discard = part.discard.or(backing.discard.then_some(true));
            if let Some(discard) = discard {
                props.put("discard-data", discard);
            }
        } else {
            props = name("memory-backend-ram");
            is_plain = true;
        }
        if let Some(share) = share.filter(|_| !is_plain) {
            props.put("share", share == MemAccess::Shared);
        }
        if part.is_system && !is_plain {
            // Else the memory would be named by the back end's path in the guest's state, which no
            // other back end could read.
            props.put("x-use-canonical-path-for-ramblock-id", false);
        }
        if prealloc {
            props.put("prealloc", true);
            let threads = backing.allocation.as_ref().and_then(|a| a.threads);
            props = props.maybe("prealloc-threads", threads);
        }
        props.put("size", part.size.bytes());
        let (mode, nodes) = host_nodes(domain, context, part.node);
        let mut host = None;
        if let (Some(nodes), Some(policy)) = (nodes, policy(mode)) {
            let list: Vec<u32> = nodes.iter().collect();
            props.put("host-nodes", list);
            props.put("policy", policy);
            host = Some(nodes);
            is_plain = false;
        }
        Ok(Self {
            props,
            host_nodes: host,
            prealloc,
            id: part.id.to_owned(),
            is_plain: is_plain && !prealloc,
        })
    }

    /// `-object`, with a thread that allocates it near its nodes where QEMU can do that.
    pub(super) fn append(mut self, b: &mut Builder) {
        if let Some(nodes) = self
            .host_nodes
            .as_ref()
            .filter(|_| self.prealloc && b.caps.has(CapFlag::ThreadContext))
        {
            let id = format!("tc-{}", self.id);
            let list: Vec<u32> = nodes.iter().collect();
            let thread = Props::of("qom-type", "thread-context")
                .with("id", id.as_str())
                .with("node-affinity", list);
            b.object(&thread);
            self.props.put("prealloc-context", id);
        }
        b.object(&self.props);
    }
}

/// The pages a part gets: size in KiB and where they are mounted; none for ordinary ones.
fn page_size<'c>(
    domain: &Domain,
    context: &'c StartContext,
    backing: &MemoryBacking,
    part: &MemoryPart,
) -> Result<Option<(u64, &'c std::path::Path)>> {
    let Some(hugepages) = &backing.hugepages else {
        return Ok(None);
    };
    let mounts = &context.config.hugetlbfs;
    let named = |node: u32| {
        hugepages
            .pages
            .iter()
            .find(|p| p.nodeset.as_ref().is_some_and(|set| set.contains(node)))
    };
    let rest = || hugepages.pages.iter().find(|p| p.nodeset.is_none());
    let page = match part.node {
        Some(node) => named(node).or_else(rest),
        // Without nodes of its own the guest is node 0.
        None => named(0).or_else(rest),
    };
    let wanted = match page {
        Some(page) => page.size.0,
        None if hugepages.pages.is_empty() => match mounts.first() {
            Some((kib, _)) => *kib,
            None => 0,
        },
        None => return Ok(None),
    };
    // Pages of the ordinary size need no file system.
    if wanted == context.config.page_kib {
        return Ok(None);
    }
    let _ = domain;
    mounts
        .iter()
        .find(|(kib, _)| *kib == wanted)
        .map(|(kib, mount)| Some((*kib, mount.as_path())))
        .ok_or_else(|| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                if wanted == 0 {
                    "hugetlbfs filesystem is not mounted or disabled by administrator config"
                        .to_owned()
                } else {
                    format!("Unable to find any usable hugetlbfs mount for {wanted} KiB")
                },
            )
        })
}

/// The host nodes a guest node's memory comes from, and how strictly.
fn host_nodes(
    domain: &Domain,
    context: &StartContext,
    node: Option<u32>,
) -> (NumaMode, Option<NumberSet>) {
    let Some(numatune) = &domain.numatune else {
        return (NumaMode::Strict, None);
    };
    let memnode = node.and_then(|node| numatune.memnodes.iter().find(|m| m.cellid == node));
    if let Some(memnode) = memnode {
        return (memnode.mode, Some(memnode.nodeset.clone()));
    }
    let Some(memory) = &numatune.memory else {
        return (NumaMode::Strict, None);
    };
    let nodes = match memory.placement {
        Some(Placement::Auto) => context.auto_nodes.clone(),
        _ => memory.nodeset.clone(),
    };
    (memory.mode.unwrap_or_default(), nodes)
}

/// QEMU's word; none where the control group alone sees to it.
fn policy(mode: NumaMode) -> Option<&'static str> {
    match mode {
        NumaMode::Strict => Some("bind"),
        NumaMode::Preferred => Some("preferred"),
        NumaMode::Interleave => Some("interleave"),
        NumaMode::Restrictive => None,
    }
}
