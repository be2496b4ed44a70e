//! Checks of memory, its pages and where it comes from.

use super::Context;
use super::refusal::{plain, unsupported, xml_error};
use virt_domain::Domain;
use virt_domain::memory::{MemoryBacking, MemorySourceType};
use virt_domain::numatune::NumaMode;
use virt_domain::vcpu::Placement;
use virt_error::Result;

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    let cells = domain.cpu.as_ref().map_or(0, |cpu| cpu.numa_cells());
    if domain.max_memory.is_some() && cells == 0 && !has_no_nodes(domain) {
        return Err(unsupported(
            "At least one numa node has to be configured when enabling memory hotplug",
        ));
    }
    if let Some(max) = &domain.max_memory
        && max.size < domain.memory.size
    {
        return Err(xml_error(
            "maximum memory size must be equal or greater than the actual memory size",
        ));
    }
    if let Some(backing) = &domain.memory_backing {
        pages(backing, cells)?;
    }
    numatune(domain, cells)
}

/// Architectures whose memory is plugged in without nodes.
fn has_no_nodes(domain: &Domain) -> bool {
    let arch = domain.os.kind.arch.unwrap_or_default();
    arch.is_ppc64() || arch.is_s390()
}

fn pages(backing: &MemoryBacking, cells: usize) -> Result<()> {
    let Some(hugepages) = &backing.hugepages else {
        return Ok(());
    };
    let source = backing.source.as_ref().and_then(|source| source.kind);
    if source == Some(MemorySourceType::Anonymous) {
        return Err(plain(
            "hugepages are not allowed with anonymous memory source",
        ));
    }
    // Node 0 is all of a guest without nodes.
    let mut rest = hugepages
        .pages
        .iter()
        .filter(|p| p.nodeset.is_none() || (cells == 0 && p.nodeset_has(0)));
    if let (Some(first), Some(second)) = (rest.next(), rest.next()) {
        return Err(plain(format!(
            "two master hugepages detected: {} and {}",
            second.size.0, first.size.0
        )));
    }
    for page in &hugepages.pages {
        let Some(last) = page.nodeset.as_ref().and_then(|set| set.last()) else {
            continue;
        };
        // A guest without nodes is node 0.
        let first_missing = u32::try_from(cells.max(1)).unwrap_or(u32::MAX);
        if last >= first_missing {
            let missing = page
                .nodeset
                .iter()
                .flat_map(|set| set.iter())
                .find(|node| *node >= first_missing)
                .unwrap_or(last);
            return Err(plain(format!("hugepages: node {missing} not found")));
        }
    }
    Ok(())
}

fn numatune(domain: &Domain, cells: usize) -> Result<()> {
    let Some(tune) = &domain.numatune else {
        return Ok(());
    };
    let memory = tune.memory.as_ref();
    if !tune.memnodes.is_empty()
        && memory.is_some_and(|memory| memory.placement == Some(Placement::Auto))
    {
        return Err(unsupported(
            "Per-node binding is not compatible with automatic NUMA placement.",
        ));
    }
    let restrictive = memory.is_some_and(|memory| memory.mode == Some(NumaMode::Restrictive));
    for node in &tune.memnodes {
        if node.cellid as usize >= cells {
            return Err(xml_error(format!(
                "Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell: {}",
                node.cellid
            )));
        }
        if (node.mode == NumaMode::Restrictive) != restrictive
            && (node.mode == NumaMode::Restrictive || restrictive)
        {
            return Err(xml_error(
                "'restrictive' mode is required in memory element when mode is 'restrictive' in memnode element",
            ));
        }
    }
    Ok(())
}
