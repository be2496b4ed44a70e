//! What this process can do at all, once it serves. Both halves hold for every later program of the
//! process, so a replacement in place is neither freer nor more confined.

mod files;

use virt_daemon::sandbox::system_calls;

/// Gives up the rest, for good.
///
/// # Errors
/// The kernel refuses what it offers: a sentence. What it doesn't offer is told in the log.
pub fn enter() -> Result<(), String> {
    files::restrict()?;
    // Nothing beside what no small daemon does.
    system_calls::refuse(&[], Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_fails_and_the_rest_goes_on() {
        // On a thread of its own: filters are a thread's and can't be taken back.
        let refused = std::thread::spawn(|| {
            enter().unwrap();
            std::fs::read("/proc/self/status").unwrap();
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)
        });
        assert_eq!(refused.join().unwrap(), Err(nix::Error::EPERM));
    }
}
