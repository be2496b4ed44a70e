//! What is left to a small daemon once it serves, beside its capabilities. Each daemon has its own
//! tables, with a reason a line, of what it needs or never does; what both have in common is here.

pub mod files;
pub mod system_calls;

use landlock::AccessFs;

/// For a daemon whose files are anywhere: in every folder what the table names with a reason, programs
/// where programs are, and no system call that no small daemon makes. Both hold for every later program of
/// the process, so a replacement in place is neither freer nor more confined.
///
/// # Errors
/// The kernel refuses what it offers: a sentence. What it doesn't offer is told in the log.
pub fn enter(everywhere: &[(AccessFs, &str)]) -> Result<(), String> {
    files::allow_everywhere(everywhere)?;
    system_calls::refuse(&[], Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_fails_and_the_rest_goes_on() {
        // On a thread of its own: filters are a thread's and can't be taken back.
        let refused = std::thread::spawn(|| {
            enter(&[(AccessFs::ReadFile, "the file below")]).unwrap();
            std::fs::read("/proc/self/status").unwrap();
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)
        });
        assert_eq!(refused.join().unwrap(), Err(nix::Error::EPERM));
    }
}
