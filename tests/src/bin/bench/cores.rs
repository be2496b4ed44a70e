//! Which processor cores the two ends of a measurement have.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The core of the client, and the core of the daemon; none on a machine with one core.
pub fn pair() -> Option<(usize, usize)> {
    let all = sched_getaffinity(Pid::from_raw(1)).or_else(|_| sched_getaffinity(Pid::this()));
    let all = all.expect("the cores of this machine");
    let mut cores = (0..CpuSet::count()).filter(|core| all.is_set(*core).unwrap_or(false));
    Some((cores.next()?, cores.next()?))
}

/// Keeps a process that has one thread on a core, with the threads it makes from now on.
pub fn pin(pid: u32, core: usize) {
    let mut only = CpuSet::new();
    only.set(core).expect("a core number");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id"));
    sched_setaffinity(pid, &only).expect("stay on a core");
}

/// Keeps this process (and threads it makes from now on) on the client's core while it lives.
pub struct OnClientCore(CpuSet);

impl OnClientCore {
    /// From now on.
    pub fn new() -> Self {
        let before = sched_getaffinity(Pid::this()).expect("own cores");
        if let Some((client, _)) = pair() {
            let mut only = CpuSet::new();
            only.set(client).expect("a core number");
            sched_setaffinity(Pid::this(), &only).expect("stay on a core");
        }
        OnClientCore(before)
    }
}

impl Drop for OnClientCore {
    fn drop(&mut self) {
        // The cores it had a moment ago.
        let _ = sched_setaffinity(Pid::this(), &self.0);
    }
}
