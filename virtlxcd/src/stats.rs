//! What containers use, in bulk: `virsh domstats`.

use std::sync::Arc;

use virt_cgroup::{Group, Placed, Resource};
use virt_domain::NumberSet;
use virt_driver::Size;
use virt_driver::api::stats::{Counted, Figures, Groups, Options};
use virt_net::counters::Table;
use virt_rpc::protocol::remote::TypedParam;
use virt_tuning::figures;

use crate::block;
use crate::guest::{Guest, Live, Snapshot};
use crate::processors;

/// The processor is running (`virVcpuState`), or is none.
const RUNNING: i32 = 1;
const OFFLINE: i32 = 0;

/// What one call needs once for all containers.
#[derive(Debug)]
pub struct Shared {
    groups: Groups,
    /// The host's interfaces.
    interfaces: Table,
}

impl Counted for Guest {
    type Shared = Shared;

    const GROUPS: Groups = Groups::STATE
        .union(Groups::CPU_TOTAL)
        .union(Groups::BALLOON)
        .union(Groups::VCPU)
        .union(Groups::INTERFACE)
        .union(Groups::BLOCK);

    const ITSELF: &'static str = "this daemon";

    fn share(groups: Groups, _: Options) -> Shared {
        let wanted = groups.contains(Groups::INTERFACE);
        // Without /proc there are no counters; the rest is told all the same.
        let interfaces = wanted.then(|| Table::read().ok()).flatten();
        Shared {
            groups,
            interfaces: interfaces.unwrap_or_default(),
        }
    }

    fn figures(&self, shared: &Arc<Shared>) -> Figures {
        let snapshot = self.current();
        let Some(live) = snapshot.live.clone() else {
            return Figures::Now(off(&snapshot, shared.groups));
        };
        let shared = Arc::clone(shared);
        let online = self.driver().host.cpu_map().map(|map| map.online);
        let online: NumberSet = online.iter().flat_map(|set| set.iter()).collect();
        // A score of the kernel's files.
        Figures::Blocking(Box::new(move || {
            running(&snapshot, &live, &shared, &online)
        }))
    }
}

fn state(snapshot: &Snapshot, params: &mut Vec<TypedParam>) {
    params.push(TypedParam::int("state.state", snapshot.state.number()));
    params.push(TypedParam::int("state.reason", snapshot.state.reason()));
}

fn off(snapshot: &Snapshot, groups: Groups) -> Vec<TypedParam> {
    let mut params = Vec::with_capacity(9);
    if groups.contains(Groups::STATE) {
        state(snapshot, &mut params);
    }
    let size = snapshot.described().size();
    if groups.contains(Groups::CPU_TOTAL) {
        figures::cpu(&virt_cgroup::CpuUsage::default(), &mut params);
    }
    if groups.contains(Groups::BALLOON) {
        figures::memory(size, &mut params);
    }
    if groups.contains(Groups::VCPU) {
        figures::vcpus(size, &mut params);
    }
    params
}

/// What can't be read, as of a container that ends meanwhile, is left out.
fn running(
    snapshot: &Snapshot,
    live: &Live,
    shared: &Shared,
    online: &NumberSet,
) -> Vec<TypedParam> {
    let mut params = Vec::with_capacity(64);
    let groups = shared.groups;
    let placed = live.container.groups.as_deref();
    let group = placed.map(Placed::group);
    let size = Size::from(&*live.domain);
    if groups.contains(Groups::STATE) {
        state(snapshot, &mut params);
    }
    if groups.contains(Groups::CPU_TOTAL)
        && let Some(group) = group
    {
        if let Ok(used) = group.cpu_usage() {
            figures::cpu(&used, &mut params);
        }
        figures::pressure(group, Resource::Cpu, "cpu", &mut params);
    }
    if groups.contains(Groups::BALLOON) {
        figures::memory(size, &mut params);
        if let Some(group) = group {
            memory(group, &mut params);
        }
    }
    if groups.contains(Groups::VCPU) {
        figures::vcpus(size, &mut params);
        let used = processors::used(&live.domain, online, placed);
        for (number, vcpu) in used.into_iter().flatten().enumerate() {
            let state = match vcpu.cpus.is_empty() {
                true => OFFLINE,
                false => RUNNING,
            };
            params.push(TypedParam::int(format!("vcpu.{number}.state"), state));
            if let Some(time) = vcpu.time {
                params.push(TypedParam::ullong(format!("vcpu.{number}.time"), time));
            }
        }
    }
    if groups.contains(Groups::INTERFACE) {
        virt_net::figures::push(&live.domain, &shared.interfaces, &mut params);
    }
    if groups.contains(Groups::BLOCK)
        && let Some(group) = group
    {
        block::push(group, &mut params);
        figures::pressure(group, Resource::Io, "block", &mut params);
    }
    params
}

/// What its memory is used for, under the names that a guest's balloon has for the same, and the
/// pressure on it.
fn memory(group: &Group, params: &mut Vec<TypedParam>) {
    if let Ok(used) = group.memory_use() {
        for (name, value) in [
            ("balloon.major_fault", used.major_faults),
            (
                "balloon.minor_fault",
                used.faults.saturating_sub(used.major_faults),
            ),
            ("balloon.disk_caches", used.cache),
            ("balloon.rss", used.anonymous),
        ] {
            params.push(TypedParam::ullong(name, value));
        }
    }
    figures::pressure(group, Resource::Memory, "memory", params);
}
