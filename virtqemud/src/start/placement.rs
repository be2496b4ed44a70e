//! Where the guest's threads may run.

use rustix::thread::{CpuSet, Pid, sched_setaffinity};
use virt_domain::{Domain, NumberSet};
use virt_error::{Error, ErrorDomain, Result};

use crate::guest::Vcpu;

/// Pins processors and the other threads to the CPUs of the definition.
///
/// # Errors
/// SYSTEM_ERROR, such as for CPUs the host does not have.
pub(super) fn pin(domain: &Domain, qemu: i32, vcpus: &[Vcpu]) -> Result<()> {
    let tune = domain.cputune.as_ref();
    let rest = domain.vcpu.cpuset.as_ref();
    let emulator = tune.and_then(|tune| tune.emulatorpin.as_ref());
    if let Some(cpus) = emulator.map(|pin| &pin.cpuset).or(rest) {
        set(qemu, cpus)?;
    }
    for vcpu in vcpus {
        let own = tune.and_then(|tune| {
            let mut pins = tune.vcpupins.iter();
            pins.find(|pin| pin.vcpu == vcpu.index)
        });
        // With TCG one thread may run several; the last one's CPUs count then.
        if let Some(cpus) = own.map(|pin| &pin.cpuset).or(rest) {
            set(vcpu.thread, cpus)?;
        }
    }
    Ok(())
}

fn set(thread: i32, cpus: &NumberSet) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus.iter() {
        // Larger numbers than the kernel's set has room for are no CPUs of this host.
        let cpu = usize::try_from(cpu).unwrap_or(usize::MAX);
        if cpu < CpuSet::MAX_CPU {
            set.set(cpu);
        }
    }
    sched_setaffinity(Pid::from_raw(thread), &set).map_err(|cause| {
        Error::system(
            ErrorDomain::None,
            format!("cannot set CPU affinity on process {thread}"),
            &cause.into(),
        )
    })
}
