//! The guest's NUMA nodes, their distances and caches.

use super::command_line::Builder;
use super::context::StartContext;
use super::props::OptionList;
use super::ram::{Backend, MemoryPart};
use crate::define::accel;
use virt_domain::Domain;
use virt_domain::numa::{AccessKind, Numa, NumaCell};
use virt_error::Result;

/// Whether the guest is told how fast its nodes reach memory.
pub(super) fn has_hmat(domain: &Domain) -> bool {
    domain
        .cpu
        .as_ref()
        .and_then(|cpu| cpu.numa.as_ref())
        .is_some_and(is_hmat)
}

fn is_hmat(numa: &Numa) -> bool {
    numa.interconnects.is_some() || numa.cells.iter().any(|cell| !cell.caches.is_empty())
}

/// `-object` and `-numa`.
pub(super) fn append(b: &mut Builder, domain: &Domain, context: &StartContext) -> Result<()> {
    let Some(numa) = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref()) else {
        return Ok(());
    };
    let name = domain.os.kind.machine.as_deref().unwrap_or_default();
    let by_size = b
        .caps
        .machine(accel(domain.virt_type), name)
        .is_some_and(|m| m.numa_mem);
    let mut parts = Vec::new();
    for cell in &numa.cells {
        parts.push(backend(b, domain, context, cell)?);
    }
    // Old machine types can take sizes; all nodes do it the same way.
    let plain = by_size && !is_hmat(numa) && parts.iter().flatten().all(|part| part.is_plain);
    if plain && parts.iter().flatten().any(|part| part.wants_all) {
        b.flag("-mem-prealloc");
    }
    for (cell, part) in numa.cells.iter().zip(parts) {
        let id = cell.id.unwrap_or_default();
        let mut list = OptionList::starting("node").with("nodeid", id);
        for (first, last) in cell.cpus.iter().flat_map(|cpus| cpus.ranges()) {
            if first == last {
                list.put("cpus", first);
            } else {
                list.put("cpus", format!("{first}-{last}"));
            }
        }
        if is_hmat(numa) {
            list.put("initiator", initiator(numa, cell));
        }
        match part {
            _ if plain => list.put("mem", cell.memory.mib()),
            Some(part) => {
                list.put("memdev", format!("ram-node{id}"));
                part.append(b);
            }
            None => {}
        }
        b.option("-numa", list.finish());
    }
    for cell in &numa.cells {
        let from = cell.id.unwrap_or_default();
        for to in numa.cells.iter().filter_map(|cell| cell.id) {
            let Some(value) = numa.distance(from, to) else {
                continue;
            };
            let list = OptionList::starting("dist")
                .with("src", from)
                .with("dst", to)
                .with("val", value);
            b.option("-numa", list.finish());
        }
    }
    hmat(b, numa);
    Ok(())
}

/// A node without memory has no back end.
fn backend(
    b: &Builder,
    domain: &Domain,
    context: &StartContext,
    cell: &NumaCell,
) -> Result<Option<Backend>> {
    if cell.memory.0 == 0 {
        return Ok(None);
    }
    let id = format!("ram-node{}", cell.id.unwrap_or_default());
    let part = MemoryPart::of(&id, cell.memory, cell.id);
    Backend::choose(b, domain, context, &part).map(Some)
}

/// The node whose processors are nearest to a node's memory: itself, or the first that has any.
fn initiator(numa: &Numa, cell: &NumaCell) -> u32 {
    let has_cpus = |cell: &&NumaCell| cell.cpus.as_ref().is_some_and(|cpus| !cpus.is_empty());
    if has_cpus(&cell) {
        return cell.id.unwrap_or_default();
    }
    let latency = numa.interconnects.iter().flat_map(|i| &i.latencies);
    let nearest = latency
        .filter(|l| Some(l.target) == cell.id && l.cache.is_none())
        .min_by_key(|l| l.value)
        .map(|l| l.initiator);
    nearest
        .or_else(|| numa.cells.iter().find(has_cpus).and_then(|cell| cell.id))
        .unwrap_or_default()
}

fn hmat(b: &mut Builder, numa: &Numa) {
    let hierarchy = |cache: Option<u32>| match cache {
        None | Some(0) => "memory",
        Some(1) => "first-level",
        Some(2) => "second-level",
        Some(_) => "third-level",
    };
    let kind = |kind: AccessKind, what: &str| format!("{kind}-{what}");
    if let Some(interconnects) = &numa.interconnects {
        for latency in &interconnects.latencies {
            let list = OptionList::starting("hmat-lb")
                .with("initiator", latency.initiator)
                .with("target", latency.target)
                .with("hierarchy", hierarchy(latency.cache))
                .with("data-type", kind(latency.kind, "latency"))
                .with("latency", latency.value);
            b.option("-numa", list.finish());
        }
        for bandwidth in &interconnects.bandwidths {
            let list = OptionList::starting("hmat-lb")
                .with("initiator", bandwidth.initiator)
                .with("target", bandwidth.target)
                .with("hierarchy", hierarchy(bandwidth.cache))
                .with("data-type", kind(bandwidth.kind, "bandwidth"))
                .with("bandwidth", format!("{}K", bandwidth.value.0));
            b.option("-numa", list.finish());
        }
    }
    for cell in &numa.cells {
        for cache in &cell.caches {
            let list = OptionList::starting("hmat-cache")
                .with("node-id", cell.id.unwrap_or_default())
                .with("size", format!("{}K", cache.size.bytes / 1024))
                .with("level", cache.level)
                .with("associativity", cache.associativity.qemu())
                .with("policy", cache.policy.qemu())
                .with("line", cache.line.bytes);
            b.option("-numa", list.finish());
        }
    }
}
