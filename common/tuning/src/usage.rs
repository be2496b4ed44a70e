//! What a running guest uses of the host, from `/proc` (proc(5)).
//!
//! Every number is read when it is asked for; nothing waits for the guest.

use std::io::{self, ErrorKind};

use virt_cgroup::{CpuUsage, Placed};

/// Processor time in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In the guest and in QEMU.
    pub user: u64,
    /// In the kernel.
    pub system: u64,
}

impl CpuTime {
    /// All of it.
    pub fn total(self) -> u64 {
        self.user.saturating_add(self.system)
    }
}

/// A thread's processor time and where it ran last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// How long it ran.
    pub time: CpuTime,
    /// The host's processor it ran on last.
    pub last_cpu: i32,
}

/// The processor time of a process with all its threads.
///
/// # Errors
/// When it is gone.
pub fn process(pid: i32) -> io::Result<CpuTime> {
    read_stat(&format!("/proc/{pid}/stat")).map(|thread| thread.time)
}

/// The processor time of a guest: what its control group counted, which has threads that ended and
/// helpers in it; else that of its process.
///
/// # Errors
/// When it is gone.
pub fn guest(placed: Option<&Placed>, pid: i32) -> io::Result<CpuUsage> {
    if let Some(Ok(used)) = placed.map(|placed| placed.group().cpu_usage()) {
        return Ok(used);
    }
    let used = process(pid)?;
    Ok(CpuUsage {
        total: used.total(),
        user: used.user,
        system: used.system,
    })
}

/// One thread of a process.
///
/// # Errors
/// When it is gone.
pub fn thread(pid: i32, tid: i32) -> io::Result<Thread> {
    read_stat(&format!("/proc/{pid}/task/{tid}/stat"))
}

/// Memory of a process that is in RAM, in KiB.
///
/// # Errors
/// When it is gone.
pub fn resident(pid: i32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages: Option<u64> = text
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok());
    let page = rustix::param::page_size() as u64 / 1024;
    pages.map(|pages| pages * page).ok_or_else(malformed)
}

/// How long a thread waited, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waits {
    /// For anything: a disk, a lock, a processor (`wait_sum` of `/proc/PID/task/TID/sched`); 0
    /// when the kernel does not count it.
    pub wait: u64,
    /// For a processor (`/proc/PID/task/TID/schedstat`).
    pub delay: u64,
}

/// How long a thread waited.
///
/// # Errors
/// When it is gone.
pub fn waits(pid: i32, tid: i32) -> io::Result<Waits> {
    let schedstat = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat"))?;
    let delay = schedstat.split_ascii_whitespace().nth(1);
    let delay = delay.and_then(|delay| delay.parse().ok());
    // Not every kernel has the second file.
    let sched = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/sched"));
    Ok(Waits {
        wait: sched.ok().and_then(|text| wait_sum(&text)).unwrap_or(0),
        delay: delay.ok_or_else(malformed)?,
    })
}

/// The line `se.statistics.wait_sum : 12.345678`, in milliseconds; newer kernels leave the
/// first part out.
fn wait_sum(sched: &str) -> Option<u64> {
    let line = sched
        .lines()
        .find(|line| line.split(':').next().unwrap_or("").contains("wait_sum"))?;
    let (_, value) = line.split_once(':')?;
    let (whole, part) = value.trim().split_once('.')?;
    let millis: u64 = whole.parse().ok()?;
    let nanos: u64 = format!("{part:0<6}").get(..6)?.parse().ok()?;
    Some(millis * 1_000_000 + nanos)
}

/// How long KVM polled for work before it let a processor sleep, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HaltPolling {
    /// Work came.
    pub success: u64,
    /// None came.
    pub fail: u64,
}

/// What KVM counted for a process (`/sys/kernel/debug/kvm/PID-FD`); nothing without KVM or where
/// the folder is not shown.
pub fn halt_polling(pid: i32) -> HaltPolling {
    let mut polled = HaltPolling::default();
    let Ok(guests) = std::fs::read_dir("/sys/kernel/debug/kvm") else {
        return polled;
    };
    let ours = format!("{pid}-");
    for guest in guests.flatten() {
        if !guest.file_name().to_string_lossy().starts_with(&ours) {
            continue;
        }
        let Ok(vcpus) = std::fs::read_dir(guest.path()) else {
            continue;
        };
        for vcpu in vcpus.flatten() {
            let read = |name: &str| -> u64 {
                let text = std::fs::read_to_string(vcpu.path().join(name));
                text.ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
            };
            polled.success += read("halt_poll_success_ns");
            polled.fail += read("halt_poll_fail_ns");
        }
    }
    polled
}

fn read_stat(path: &str) -> io::Result<Thread> {
    let text = std::fs::read_to_string(path)?;
    parse_stat(&text, ticks_per_second()).ok_or_else(malformed)
}

fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// Fields 14, 15 and 39 of a `stat` file. The second, in parentheses, may contain anything.
fn parse_stat(text: &str, ticks: u64) -> Option<Thread> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let nanos = |field: usize| {
        let value: u64 = fields.get(field)?.parse().ok()?;
        Some(value.saturating_mul(1_000_000_000 / ticks))
    };
    Some(Thread {
        time: CpuTime {
            user: nanos(11)?,
            system: nanos(12)?,
        },
        last_cpu: fields.get(36)?.parse().ok()?,
    })
}

fn malformed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "a file of /proc is not understood")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_counted_from_the_last_parenthesis() {
        let fields: Vec<String> = (4..53).map(|field| field.to_string()).collect();
        let text = format!("7 (qemu (a) S) S {}\n", fields.join(" "));
        let thread = parse_stat(&text, 100).unwrap();
        assert_eq!(thread.time.user, 140_000_000);
        assert_eq!(thread.time.system, 150_000_000);
        assert_eq!(thread.last_cpu, 39);
        assert_eq!(parse_stat("7 (qemu) S 1", 100), None);
    }

    #[test]
    fn this_process_uses_something() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(resident(pid).unwrap() > 0);
        assert!(process(pid).is_ok() && thread(pid, pid).is_ok() && waits(pid, pid).is_ok());
        assert!(process(i32::MAX).is_err());
    }

    #[test]
    fn waits_are_milliseconds_with_a_fraction() {
        let old = "se.statistics.wait_sum          :            12.000345\nother : 1";
        let new = "wait_sum                        :             0.5\n";
        assert_eq!(wait_sum(old), Some(12_000_345));
        assert_eq!(wait_sum(new), Some(500_000));
        assert_eq!(wait_sum("sum_exec : 1.0"), None);
    }
}
