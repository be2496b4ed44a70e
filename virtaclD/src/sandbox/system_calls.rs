//! The system calls that are refused (seccomp(2)): a table with a reason a line. What a daemon that
//! reads policies and serves sockets never does is answered with EPERM, and a bug that does it fails
//! there.

use nix::libc;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
use virt_daemon::sandbox::system_calls::{Refused, refuse};

/// Refused beside what is refused to all small daemons, with why.
const REFUSED: &[Refused] = &[
    (libc::SYS_execve, "starts no program"),
    (libc::SYS_execveat, "starts no program"),
    (libc::SYS_pidfd_getfd, "takes from other processes"),
];

/// A socket that is not of the UNIX kind is refused as well.
pub(super) fn restrict() -> Result<(), String> {
    let unix = u64::from(libc::AF_UNIX.unsigned_abs());
    let elsewhere = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, unix)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|e| format!("system calls can't be restricted: {e}"))?;
    refuse(REFUSED, vec![(libc::SYS_socket, elsewhere)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unix_sockets_are_left_and_no_program_is_started() {
        // On a thread of its own: filters are a thread's and can't be taken back.
        let refused = std::thread::spawn(|| {
            restrict().unwrap();
            std::os::unix::net::UnixStream::pair().unwrap();
            let socket = std::net::UdpSocket::bind("127.0.0.1:0");
            let started = std::process::Command::new("true").status();
            (socket.map(drop), started.map(drop))
        });
        let (socket, started) = refused.join().unwrap();
        for refused in [socket, started] {
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EPERM));
        }
    }
}
