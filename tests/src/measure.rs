//! What the kernel says a process has used.

use std::fs;

/// Resident memory of a process in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// All of it, with the pages of its program and libraries that it shares with other processes
    /// and with the page cache.
    pub all: u64,
    /// What is its own: heap and stacks.
    pub anonymous: u64,
}

/// Resident memory of a process.
///
/// # Panics
/// When there is no such process.
pub fn resident(pid: u32) -> Resident {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let kib = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or_else(|| panic!("{path}: no {name}"))
    };
    Resident {
        all: kib("VmRSS:"),
        anonymous: kib("RssAnon:"),
    }
}

/// Processor time of a process, all its threads together, in nanoseconds.
///
/// # Panics
/// When there is no such process.
pub fn cpu_nanoseconds(pid: u32) -> u64 {
    let folder = format!("/proc/{pid}/task");
    let tasks = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    tasks
        .flatten()
        // The first figure is the time spent running; a thread may end while this is read.
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Processor time of a process in seconds, threads that have ended included, in steps of 10 ms.
///
/// # Panics
/// When there is no such process.
pub fn cpu_seconds(pid: u32) -> f64 {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // After the name in parentheses, from the third field on (proc_pid_stat(5)).
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: f64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

/// Makes the kernel forget the largest size that this process had; see [`peak_kib`].
///
/// # Panics
/// When the kernel refuses.
pub fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("/proc/self/clear_refs");
}

/// The largest resident memory of this process since [`forget_peak`], in KiB.
///
/// # Panics
/// When the kernel doesn't say.
pub fn peak_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    number.expect("VmHWM")
}
