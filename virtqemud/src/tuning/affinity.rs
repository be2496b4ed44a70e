//! On which of the host's processors threads may run.

use rustix::thread::{CpuSet, Pid, sched_setaffinity};
use virt_domain::{Domain, NumberSet};
use virt_error::{Error, ErrorDomain, Result};

/// Where the threads that are neither processor nor I/O thread may run, if that is restricted.
pub(crate) fn of_emulator(domain: &Domain) -> Option<&NumberSet> {
    let tune = domain.cputune.as_ref();
    let own = tune.and_then(|tune| tune.emulatorpin.as_ref());
    own.map(|pin| &pin.cpuset).or(domain.vcpu.cpuset.as_ref())
}

/// Where a virtual processor may run, if that is restricted.
pub(crate) fn of_vcpu(domain: &Domain, vcpu: u32) -> Option<&NumberSet> {
    let pins = domain.cputune.as_ref().map(|tune| &tune.vcpupins);
    let own = pins.and_then(|pins| pins.iter().find(|pin| pin.vcpu == vcpu));
    own.map(|pin| &pin.cpuset).or(domain.vcpu.cpuset.as_ref())
}

/// Where an I/O thread may run, if that is restricted.
pub(crate) fn of_iothread(domain: &Domain, iothread: u32) -> Option<&NumberSet> {
    let pins = domain.cputune.as_ref().map(|tune| &tune.iothreadpins);
    let own = pins.and_then(|pins| pins.iter().find(|pin| pin.iothread == iothread));
    own.map(|pin| &pin.cpuset).or(domain.vcpu.cpuset.as_ref())
}

/// Lets a thread run on these processors only.
///
/// # Errors
/// SYSTEM_ERROR, such as when the host has none of them.
pub(crate) fn set(thread: i32, cpus: &NumberSet) -> Result<()> {
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

/// Lets a thread run anywhere again.
///
/// # Errors
/// As [`set`].
pub(crate) fn lift(thread: i32) -> Result<()> {
    // The kernel takes those that it has.
    set(thread, &(0..CpuSet::MAX_CPU as u32).collect())
}
