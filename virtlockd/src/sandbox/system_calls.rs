//! The system calls that are refused (seccomp(2)): a table with a reason a line. What a daemon that
//! serves sockets and locks files never does is answered with EPERM, and a bug that does it fails
//! there.

use nix::libc;
use virt_daemon::sandbox::system_calls::{Refused, refuse};

/// Refused beside what is refused to all small daemons, with why.
const REFUSED: &[Refused] = &[
    (libc::SYS_swapon, "changes the host's memory"),
    (libc::SYS_swapoff, "changes the host's memory"),
    (libc::SYS_clock_adjtime, "changes the clock"),
    (libc::SYS_acct, "changes the host"),
    (libc::SYS_quotactl, "changes the host"),
    (libc::SYS_mknod, "makes devices"),
    (libc::SYS_chown, "owners stay"),
    (libc::SYS_fchown, "owners stay"),
    (libc::SYS_lchown, "owners stay"),
    (libc::SYS_symlink, "makes links"),
    (libc::SYS_link, "makes links"),
    (libc::SYS_name_to_handle_at, "a way round paths"),
];

pub(super) fn restrict() -> Result<(), String> {
    refuse(REFUSED, Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_fails_and_the_rest_goes_on() {
        // On a thread of its own: filters are a thread's and can't be taken back.
        let refused = std::thread::spawn(|| {
            restrict().unwrap();
            std::fs::read("/proc/self/status").unwrap();
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)
        });
        assert_eq!(refused.join().unwrap(), Err(nix::Error::EPERM));
    }
}
