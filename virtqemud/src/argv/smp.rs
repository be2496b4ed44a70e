//! Virtual CPUs and I/O threads.

use super::command_line::Builder;
use super::props::{OptionList, Props};
use crate::caps::CapFlag;
use virt_domain::Domain;
use virt_xml::YesNo;

/// `-smp`.
pub(super) fn append(b: &mut Builder, domain: &Domain) {
    let max = domain.vcpu.max;
    let mut count = domain.vcpu.count();
    if let Some(vcpus) = &domain.vcpus {
        // Those that can be unplugged are plugged in over the monitor.
        let fixed = |v: &&virt_domain::vcpu::VcpuEntry| {
            v.enabled == YesNo::Yes && v.hotpluggable != YesNo::Yes
        };
        count = u32::try_from(vcpus.list.iter().filter(fixed).count()).unwrap_or(count);
    }
    let mut list = OptionList::starting(&count.to_string());
    if count != max {
        list.put("maxcpus", max);
    }
    match domain.cpu.as_ref().and_then(|cpu| cpu.topology) {
        Some(topology) => {
            list.put("sockets", topology.sockets);
            if b.caps.has(CapFlag::SmpDies) {
                list.put("dies", topology.dies);
            }
            if b.caps.has(CapFlag::SmpClusters) {
                list.put("clusters", topology.clusters);
            }
            list.put("cores", topology.cores);
            list.put("threads", topology.threads);
        }
        None => {
            list.put("sockets", max);
            list.put("cores", 1);
            list.put("threads", 1);
        }
    }
    b.option("-smp", list.finish());
}

/// `-object iothread` and the main loop's.
pub(super) fn iothreads(b: &mut Builder, domain: &Domain) {
    for thread in domain.iothread_ids() {
        let mut props = Props::of("qom-type", "iothread")
            .with("id", format!("iothread{}", thread.id))
            .maybe("thread-pool-min", thread.thread_pool_min)
            .maybe("thread-pool-max", thread.thread_pool_max);
        if let Some(poll) = &thread.poll {
            props = props
                .maybe("poll-max-ns", poll.max)
                .maybe("poll-grow", poll.grow)
                .maybe("poll-shrink", poll.shrink);
        }
        b.object(&props);
    }
    if let Some(main) = &domain.defaultiothread {
        let props = Props::of("qom-type", "main-loop")
            .with("id", "main-loop")
            .maybe("thread-pool-min", main.thread_pool_min)
            .maybe("thread-pool-max", main.thread_pool_max);
        b.object(&props);
    }
}
