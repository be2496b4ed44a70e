//! `-m` and the back ends of the guest's memory.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::{OptionList, Props};
use crate::caps::{CapFlag, Machine};
use crate::define::accel;
use std::path::PathBuf;
use virt_domain::devices::memory::{MemoryAccess, MemoryDevice, MemoryModel};
use virt_domain::memory::{AllocationMode, MemAccess, MemoryBacking, MemorySourceType};
use virt_domain::numatune::NumaMode;
use virt_domain::vcpu::Placement;
use virt_domain::{Domain, KiB, NumberSet};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

/// Whether the device is persistent memory that the machine has to know of.
pub(super) fn is_nvdimm(device: &MemoryDevice) -> bool {
    device.model == MemoryModel::Nvdimm
}

/// Nodes that memory is taken from have to be there.
fn check_nodes(domain: &Domain, context: &StartContext) -> Result<()> {
    if context.host_nodes.is_empty() {
        return Ok(());
    }
    let numatune = domain.numatune.iter();
    let whole = numatune
        .clone()
        .flat_map(|tune| tune.memory.iter().filter_map(|m| m.nodeset.as_ref()));
    let single = numatune.flat_map(|tune| tune.memnodes.iter().map(|node| &node.nodeset));
    let devices = domain.devices.memories.iter();
    let of_devices = devices.filter_map(|device| device.source.as_ref()?.nodemask.as_ref());
    let missing = whole
        .chain(single)
        .chain(of_devices)
        .flat_map(NumberSet::iter)
        .find(|id| context.host_nodes.iter().all(|node| node.id != *id));
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
            is_system: true,
            ..MemoryPart::of(id, size, None)
        };
        Backend::choose(b, domain, context, &part)?.append(b);
    }
    Ok(())
}

/// A part of a guest's memory that needs a back end.
pub(super) struct MemoryPart<'a> {
    /// Its id.
    id: &'a str,
    /// Name of the file it is in where it is in one.
    file: &'a str,
    /// How much.
    size: KiB,
    /// The guest's node it belongs to.
    node: Option<u32>,
    /// Whether it is the machine's own RAM.
    is_system: bool,
    /// The device it is the memory of.
    device: Option<&'a MemoryDevice>,
}

impl<'a> MemoryPart<'a> {
    /// RAM of a node or of the whole guest.
    pub(super) fn of(id: &'a str, size: KiB, node: Option<u32>) -> Self {
        Self {
            id,
            file: id,
            size,
            node,
            is_system: false,
            device: None,
        }
    }

    /// The memory of a device.
    pub(super) fn of_device(id: &'a str, device: &'a MemoryDevice) -> Self {
        Self {
            file: device.info.alias().unwrap_or(id),
            device: Some(device),
            ..Self::of(id, device.target.size, device.target.node)
        }
    }

    fn is(&self, model: MemoryModel) -> bool {
        self.device.is_some_and(|device| device.model == model)
    }
}

/// A memory back end.
pub(super) struct Backend {
    /// Its properties.
    pub(super) props: Props,
    /// The host nodes its pages are to be touched from, if that is said.
    near: Option<NumberSet>,
    /// The folder QEMU makes its file in.
    folder: Option<PathBuf>,
    id: String,
    /// Whether it would do to say how much memory that is, and for all of it whether it is to be there
    /// before the guest runs.
    pub(super) is_plain: bool,
    /// Whether all pages are to be there before the guest runs.
    pub(super) wants_all: bool,
}

impl Backend {
    /// Chooses the back end of a part of the memory.
    ///
    /// # Errors
    /// INTERNAL_ERROR when there is no file system with the pages that are asked for.
    pub(super) fn choose(
        b: &Builder,
        domain: &Domain,
        context: &StartContext,
        part: &MemoryPart,
    ) -> Result<Self> {
        let none = MemoryBacking::default();
        let backing = domain.memory_backing.as_ref().unwrap_or(&none);
        let numa = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
        let cell = part
            .node
            .and_then(|node| numa?.cells.iter().find(|cell| cell.id == Some(node)));
        let device = part.device;
        let source = device.and_then(|device| device.source.as_ref());
        let path = source.and_then(|source| source.path.as_deref());

        let share = device
            .and_then(|device| device.access)
            .map(|access| match access {
                MemoryAccess::Shared => MemAccess::Shared,
                MemoryAccess::Private => MemAccess::Private,
            })
            .or_else(|| cell?.mem_access)
            .or_else(|| backing.access.as_ref().and_then(|access| access.mode));
        let discard = device
            .and_then(|device| device.discard)
            .or_else(|| cell?.discard)
            .map(YesNo::is_yes)
            .or(backing.discard.then_some(true));
        let page = match path {
            Some(_) => None,
            None => page_size(context, backing, part)?,
        };
        let kind = backing.source.as_ref().and_then(|source| source.kind);
        let immediate = backing
            .allocation
            .as_ref()
            .is_some_and(|a| a.mode == Some(AllocationMode::Immediate));
        let wants_all = immediate || page.is_some();
        let pmem = source.is_some_and(|source| source.pmem);
        let prealloc = match device.map(|device| device.model) {
            // It allocates by itself what was requested.
            Some(MemoryModel::VirtioMem) => false,
            Some(MemoryModel::Nvdimm) => immediate || !pmem,
            Some(MemoryModel::SgxEpc) => true,
            _ => wants_all,
        };

        let name = |kind: &str| Props::of("qom-type", kind).with("id", part.id);
        let mut is_plain = false;
        let mut folder = None;
        let mut props;
        if part.is(MemoryModel::SgxEpc) {
            props = name("memory-backend-epc");
        } else if let Some(path) = path {
            props = name("memory-backend-file").with("mem-path", path);
        } else if kind == Some(MemorySourceType::Memfd) {
            props = name("memory-backend-memfd");
            if let Some((kib, _)) = &page {
                props.put("hugetlb", true);
                props.put("hugetlbsize", kib * 1024);
            }
        } else if page.is_some() || kind == Some(MemorySourceType::File) || share.is_some() {
            let short_name = &context.short_name;
            let (within, path) = match &page {
                Some((_, mount)) => {
                    let folder = super::context::guests_pages(mount, short_name);
                    (folder.clone(), folder)
                }
                None => {
                    let folder = context.config.memory_backing_dir.join(short_name);
                    let path = folder.join(part.file);
                    (folder, path)
                }
            };
            folder = Some(within);
            props = name("memory-backend-file")
                .with("mem-path", path.to_string_lossy().into_owned())
                .maybe("discard-data", discard);
        } else {
            props = name("memory-backend-ram");
            is_plain = true;
        }
        if let Some(share) = share.filter(|_| !is_plain && !part.is(MemoryModel::SgxEpc)) {
            props.put("share", share == MemAccess::Shared);
        }
        if part.is_system && !is_plain {
            // Else the memory would be named by the back end's path in the guest's state, which no
            // other back end could read.
            props.put("x-use-canonical-path-for-ramblock-id", false);
        }
        if prealloc {
            props.put("prealloc", true);
        }
        let threads = backing.allocation.as_ref().and_then(|a| a.threads);
        is_plain &= threads.is_none();
        props = props.maybe("prealloc-threads", threads);
        if part.is(MemoryModel::VirtioMem) && b.caps.has(CapFlag::MemoryBackendFileReserve) {
            props.put("reserve", false);
        }
        props.put("size", part.size.bytes());
        let align = source.and_then(|source| source.alignsize);
        props = props.maybe("align", align.map(KiB::bytes));
        if pmem {
            props.put("pmem", true);
        }
        let (mode, nodes) = host_nodes(domain, context, part);
        if let (Some(nodes), Some(policy)) = (&nodes, policy(mode)) {
            let list: Vec<u32> = nodes.iter().collect();
            props.put("host-nodes", list);
            props.put("policy", policy);
            is_plain = false;
        }
        let near = nodes
            .filter(|_| prealloc && b.caps.has(CapFlag::ThreadContext))
            // Enclave memory is not allocated by QEMU's threads.
            .filter(|_| !part.is(MemoryModel::SgxEpc))
            .map(|nodes| reachable(domain, context, nodes))
            .filter(|nodes| !nodes.is_empty());
        Ok(Self {
            props,
            near,
            folder,
            id: part.id.to_owned(),
            is_plain,
            wants_all,
        })
    }

    /// `-object`, with a thread that allocates it near its nodes where QEMU can do that.
    pub(super) fn append(mut self, b: &mut Builder) {
        if let Some(nodes) = &self.near {
            let id = format!("tc-{}", self.id);
            let list: Vec<u32> = nodes.iter().collect();
            let thread = Props::of("qom-type", "thread-context")
                .with("id", id.as_str())
                .with("node-affinity", list);
            b.object(&thread);
            self.props.put("prealloc-context", id);
        }
        b.object(&self.props);
        if let Some(folder) = self.folder {
            b.memory_folder(folder);
        }
    }
}

/// Those nodes on whose processors QEMU's own threads may run.
fn reachable(domain: &Domain, context: &StartContext, mut nodes: NumberSet) -> NumberSet {
    let tune = domain.cputune.as_ref();
    let pinned = tune
        .and_then(|tune| tune.emulatorpin.as_ref())
        .map(|pin| &pin.cpuset)
        .or(domain.vcpu.cpuset.as_ref());
    if let Some(cpus) = pinned {
        for node in &context.host_nodes {
            if !node.cpus.overlaps(cpus) {
                nodes.remove(node.id);
            }
        }
    }
    nodes
}

/// The pages a part gets: size in KiB and where they are mounted; none for ordinary ones.
fn page_size<'c>(
    context: &'c StartContext,
    backing: &MemoryBacking,
    part: &MemoryPart,
) -> Result<Option<(u64, &'c std::path::Path)>> {
    let mounts = &context.config.hugetlbfs;
    let own = part
        .device
        .and_then(|device| device.source.as_ref()?.pagesize);
    let wanted = match (own, &backing.hugepages) {
        (Some(size), _) => size.0,
        (None, None) => return Ok(None),
        (None, Some(hugepages)) => {
            let named = |node: u32| hugepages.pages.iter().find(|p| p.nodeset_has(node));
            let rest = || hugepages.pages.iter().find(|p| p.nodeset.is_none());
            // Without nodes of its own the guest is node 0.
            match named(part.node.unwrap_or(0)).or_else(rest) {
                Some(page) => page.size.0,
                None if hugepages.pages.is_empty() => mounts.first().map_or(0, |(kib, _)| *kib),
                None => return Ok(None),
            }
        }
    };
    // Pages of the ordinary size need no file system.
    if wanted == context.config.page_kib {
        return Ok(None);
    }
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

/// The host nodes a part of the memory comes from, and how strictly.
fn host_nodes(
    domain: &Domain,
    context: &StartContext,
    part: &MemoryPart,
) -> (NumaMode, Option<NumberSet>) {
    let source = part.device.and_then(|device| device.source.as_ref());
    let own = source.and_then(|source| source.nodemask.clone());
    let Some(numatune) = &domain.numatune else {
        return (NumaMode::Strict, own);
    };
    let memnode = part
        .node
        .and_then(|node| numatune.memnodes.iter().find(|m| m.cellid == node));
    if let Some(memnode) = memnode {
        return (memnode.mode, own.or_else(|| Some(memnode.nodeset.clone())));
    }
    let Some(memory) = &numatune.memory else {
        return (NumaMode::Strict, own);
    };
    let nodes = own.or_else(|| match memory.placement {
        Some(Placement::Auto) => context.auto_nodes.clone(),
        _ => memory.nodeset.clone(),
    });
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
