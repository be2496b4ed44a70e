//! A guest's control groups at its start: one for the guest, below it one for each virtual
//! processor, each I/O thread and for all other threads. All of it blocks.

use virt_cgroup::{Controller, Group, Placed};
use virt_domain::{Domain, NumberSet};
use virt_error::Result;
use virt_tuning::{Bandwidth, EMULATOR, guest, limit_whole, of_iothread, of_vcpu, strict_nodes};

use super::{affinity, scheduling};
use crate::guest::{IothreadThread, Vcpu};

/// Puts the process that will be QEMU, with one thread yet, where the definition says. `made` gets
/// its groups as soon as there are some.
///
/// # Errors
/// What can't be made or set. What was made by then stays until the process is gone.
pub(crate) fn place(
    host: &virt_cgroup::Host,
    domain: &Domain,
    pid: u32,
    made: &mut Option<Placed>,
) -> Result<()> {
    let placed = made.insert(host.place(&guest(domain, domain.id.unwrap_or(-1)), pid)?);
    limit_whole(placed, domain)?;
    let emulator = emulator(placed, domain)?;
    emulator.add_thread(i32::try_from(pid).unwrap_or(i32::MAX))
}

/// The group of all threads that have none of their own.
fn emulator(placed: &Placed, domain: &Domain) -> Result<Group> {
    let tune = domain.cputune.as_ref();
    let bandwidth = Bandwidth {
        period: tune.and_then(|tune| tune.emulator_period),
        quota: tune.and_then(|tune| tune.emulator_quota),
    };
    let cpus = affinity::of_emulator(domain);
    threads(placed, EMULATOR, domain, cpus, bandwidth)
}

/// Makes a group of threads.
fn threads(
    placed: &Placed,
    name: &str,
    domain: &Domain,
    cpus: Option<&NumberSet>,
    bandwidth: Bandwidth,
) -> Result<Group> {
    let mut group = placed.group().threads(name);
    group.create_for_threads()?;
    if group.has(Controller::Cpuset) {
        if let Some(nodes) = strict_nodes(domain) {
            group.set_mems(&nodes.to_string())?;
        }
        if let Some(cpus) = cpus {
            group.set_cpus(&cpus.to_string())?;
        }
    }
    if group.has(Controller::Cpu) {
        bandwidth.apply(&group)?;
    }
    Ok(group)
}

/// Puts a processor's thread where the definition says. With TCG one thread may run several: the
/// last one's place counts then.
///
/// # Errors
/// What can't be made or set.
pub(crate) fn place_vcpu(placed: Option<&Placed>, domain: &Domain, vcpu: &Vcpu) -> Result<()> {
    let cpus = affinity::of_vcpu(domain, vcpu.index);
    if let Some(placed) = placed {
        let tune = domain.cputune.as_ref();
        let bandwidth = Bandwidth {
            period: tune.and_then(|tune| tune.period),
            quota: tune.and_then(|tune| tune.quota),
        };
        let group = threads(placed, &of_vcpu(vcpu.index), domain, cpus, bandwidth)?;
        group.add_thread(vcpu.thread)?;
    }
    pin(domain, vcpu.thread, cpus)?;
    match scheduling::of_vcpu(domain, vcpu.index) {
        Some(how) => scheduling::set(vcpu.thread, how),
        None => Ok(()),
    }
}

/// Puts an I/O thread where the definition says.
///
/// # Errors
/// What can't be made or set.
pub(crate) fn place_iothread(
    placed: Option<&Placed>,
    domain: &Domain,
    iothread: &IothreadThread,
) -> Result<()> {
    let cpus = affinity::of_iothread(domain, iothread.id);
    if let Some(placed) = placed {
        let tune = domain.cputune.as_ref();
        let bandwidth = Bandwidth {
            period: tune.and_then(|tune| tune.iothread_period),
            quota: tune.and_then(|tune| tune.iothread_quota),
        };
        let name = of_iothread(iothread.id);
        let group = threads(placed, &name, domain, cpus, bandwidth)?;
        group.add_thread(iothread.thread)?;
    }
    pin(domain, iothread.thread, cpus)?;
    match scheduling::of_iothread(domain, iothread.id) {
        Some(how) => scheduling::set(iothread.thread, how),
        None => Ok(()),
    }
}

/// Pins a thread of QEMU's; one that may run anywhere does not stay where QEMU's main thread is.
fn pin(domain: &Domain, thread: i32, cpus: Option<&NumberSet>) -> Result<()> {
    match cpus {
        Some(cpus) => affinity::set(thread, cpus),
        None if affinity::of_emulator(domain).is_some() => affinity::lift(thread),
        None => Ok(()),
    }
}
