//! By which of the host's schedulers threads run (sched(7)).

use virt_domain::Domain;
use virt_domain::cputune::{Scheduler, Scheduling};
use virt_error::{Error, ErrorDomain, Result};

/// Priority of a real-time thread that is given none: the least.
const LEAST: u16 = 1;

/// How the threads that are neither processor nor I/O thread are scheduled.
pub(crate) fn of_emulator(domain: &Domain) -> Option<&Scheduling> {
    domain.cputune.as_ref()?.emulatorsched.as_ref()
}

/// How a virtual processor is scheduled. An entry that names none is for all.
pub(crate) fn of_vcpu(domain: &Domain, vcpu: u32) -> Option<&Scheduling> {
    let mut all = domain.cputune.as_ref()?.vcpuscheds.iter();
    let own = all.find(|one| one.vcpus.as_ref().is_none_or(|set| set.contains(vcpu)));
    own.map(|one| &one.scheduling)
}

/// How an I/O thread is scheduled.
pub(crate) fn of_iothread(domain: &Domain, iothread: u32) -> Option<&Scheduling> {
    let mut all = domain.cputune.as_ref()?.iothreadscheds.iter();
    let own = all.find(|one| {
        let named = one.iothreads.as_ref();
        named.is_none_or(|set| set.contains(iothread))
    });
    own.map(|one| &one.scheduling)
}

/// Has a thread scheduled like that.
///
/// # Errors
/// SYSTEM_ERROR, such as for real time in a control group that has none of it.
pub(crate) fn set(thread: i32, scheduling: &Scheduling) -> Result<()> {
    let (policy, priority) = match scheduling.scheduler {
        Scheduler::Batch => (nix::libc::SCHED_BATCH, 0),
        Scheduler::Idle => (nix::libc::SCHED_IDLE, 0),
        Scheduler::Fifo => (nix::libc::SCHED_FIFO, scheduling.priority.unwrap_or(LEAST)),
        Scheduler::Rr => (nix::libc::SCHED_RR, scheduling.priority.unwrap_or(LEAST)),
    };
    system_call::set(thread, policy, priority.into()).map_err(|cause| {
        let what = format!("Cannot set scheduler parameters for pid {thread}");
        Error::system(ErrorDomain::None, what, &cause)
    })
}

/// Has all of QEMU's threads but these scheduled like that.
///
/// # Errors
/// As [`set`].
pub(crate) fn set_others(pid: i32, but: &[i32], scheduling: &Scheduling) -> Result<()> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let numbers = threads.into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for thread in numbers.filter(|thread| !but.contains(thread)) {
        match set(thread, scheduling) {
            // It ended meanwhile.
            Err(error) if error.errno() == Some(nix::libc::ESRCH) => {}
            done => done?,
        }
    }
    Ok(())
}

mod system_call {
    #![allow(unsafe_code, reason = "neither rustix nor nix has sched_setscheduler")]

    /// sched_setscheduler(2) for one thread.
    pub(super) fn set(thread: i32, policy: i32, priority: i32) -> std::io::Result<()> {
        // SAFETY: all-zero is a valid sched_param; other C libraries' have more fields.
        let mut param: nix::libc::sched_param = unsafe { std::mem::zeroed() };
        param.sched_priority = priority;
        // SAFETY: the call reads a sched_param that lives over it.
        match unsafe { nix::libc::sched_setscheduler(thread, policy, &raw const param) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_for_those_they_name() {
        let xml = "<domain type='qemu'><name>a</name><memory>1024</memory><vcpu>4</vcpu>\
            <iothreads>2</iothreads><cputune><vcpusched vcpus='0-1' scheduler='fifo' priority='1'/>\
            <iothreadsched iothreads='2' scheduler='batch'/></cputune>\
            <os><type arch='x86_64'>hvm</type></os></domain>";
        let domain = Domain::read(xml).unwrap();
        let scheduler = |found: Option<&Scheduling>| found.map(|one| one.scheduler);
        assert_eq!(scheduler(of_vcpu(&domain, 1)), Some(Scheduler::Fifo));
        assert_eq!(scheduler(of_vcpu(&domain, 2)), None);
        assert_eq!(scheduler(of_iothread(&domain, 2)), Some(Scheduler::Batch));
        assert_eq!(scheduler(of_emulator(&domain)), None);
    }

    #[test]
    fn a_thread_changes_its_scheduler() {
        let thread = rustix::thread::gettid().as_raw_nonzero().get();
        let batch = Scheduling {
            scheduler: Scheduler::Batch,
            priority: None,
        };
        set(thread, &batch).unwrap();
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        // Field 41 of proc_pid_stat(5).
        assert_eq!(rest.split(' ').nth(38), Some("3"));
        let error = set(i32::MAX, &batch).unwrap_err();
        assert!(
            error
                .message()
                .starts_with("Cannot set scheduler parameters for pid")
        );
    }
}
