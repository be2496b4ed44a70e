//! Checks of virtual CPUs and I/O threads.

use super::Context;
use super::refusal::{unsupported, xml_error};
use crate::define::accel;
use virt_domain::Domain;
use virt_error::Result;
use virt_xml::YesNo;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let name = domain.os.kind.machine.as_deref().unwrap_or_default();
    let limit = context
        .caps
        .machine(accel(domain.virt_type), name)
        .map(|machine| machine.max_cpus)
        .filter(|max| *max > 0);
    if let Some(limit) = limit.filter(|limit| domain.vcpu.max > *limit) {
        return Err(unsupported(format!(
            "Maximum CPUs greater than specified machine type limit {limit}"
        )));
    }
    let topology = domain.cpu.as_ref().and_then(|cpu| cpu.topology);
    if topology.is_some_and(|topology| topology.count() != Some(domain.vcpu.max)) {
        return Err(unsupported("CPU topology doesn't match maximum vcpu count"));
    }
    if domain.vcpu.current == Some(0) {
        return Err(unsupported("vcpu 0 can't be offline"));
    }
    // One that is not among those that are named is off.
    let named = domain.vcpus.as_ref().map(|vcpus| &vcpus.list);
    if named.is_some_and(|list| !list.is_empty() && list.iter().all(|vcpu| vcpu.id != 0)) {
        return Err(unsupported("vcpu 0 can't be offline"));
    }
    for vcpu in domain.vcpus.iter().flat_map(|vcpus| &vcpus.list) {
        if vcpu.id >= domain.vcpu.max {
            return Err(xml_error(format!(
                "vcpu id '{}' is out of range of maximum vcpu count",
                vcpu.id
            )));
        }
        if vcpu.id == 0 && vcpu.enabled == YesNo::No {
            return Err(unsupported("vcpu 0 can't be offline"));
        }
        if vcpu.id == 0 && vcpu.hotpluggable == YesNo::Yes {
            return Err(unsupported("vcpu0 can't be hotpluggable"));
        }
        if vcpu.id == 0 && vcpu.order.is_some_and(|order| order != 1) {
            return Err(unsupported("vcpu0 must be enabled first"));
        }
        if vcpu.enabled == YesNo::No && vcpu.hotpluggable == YesNo::No {
            return Err(unsupported(format!(
                "offline vcpu '{}' can't be not hotpluggable",
                vcpu.id
            )));
        }
    }
    let pools = domain
        .iothreadids
        .iter()
        .flat_map(|ids| &ids.list)
        .map(|thread| (thread.thread_pool_min, thread.thread_pool_max))
        .chain(
            domain
                .defaultiothread
                .iter()
                .map(|main| (main.thread_pool_min, main.thread_pool_max)),
        );
    for (min, max) in pools {
        if min.unwrap_or(0) > max.unwrap_or(if min.is_some() { 0 } else { u32::MAX }) {
            return Err(unsupported(
                "thread_pool_min must be smaller or equal to thread_pool_max",
            ));
        }
    }
    Ok(())
}
