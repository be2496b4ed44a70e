//! After this daemon died: the locks are with the guests, and are found there.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use virt_rpc::server::start_time;

use crate::keepsake::{self, Keepsake};
use crate::notes::Process;

/// A process that is the one meant, not a later one of its number.
pub fn open_process(process: Process) -> Option<OwnedFd> {
    let pid = i32::try_from(process.pid).ok()?;
    let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    // The descriptor first: the number can't be given away between the two.
    (start_time(pid)? == process.start_time).then_some(pidfd)
}

/// Whether there is a process of that number that has not ended.
pub fn is_running(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    pidfd.is_some_and(|pidfd| !has_ended(&pidfd))
}

/// Whether a process has ended, though its parent may not have taken notice yet.
pub fn has_ended(pidfd: &OwnedFd) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// What the process keeps for us, taken from it without its noticing. Needs CAP_SYS_PTRACE where
/// the process is another user's.
///
/// # Errors
/// It can't be looked at: a sentence.
pub fn keepsake_of(process: Process, pidfd: &OwnedFd) -> Result<Option<Keepsake>, String> {
    let folder = format!("/proc/{}/fd", process.pid);
    let entries = fs::read_dir(&folder).map_err(|e| format!("{folder}: {e}"))?;
    for entry in entries.flatten() {
        let is_socket = fs::read_link(entry.path()).is_ok_and(|target| {
            target
                .as_os_str()
                .as_encoded_bytes()
                .starts_with(b"socket:")
        });
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let (true, Some(number)) = (is_socket, number) else {
            continue;
        };
        let socket = match pidfd_getfd(pidfd.as_fd(), number, PidfdGetfdFlags::empty()) {
            Ok(socket) => socket,
            // Closed in between.
            Err(rustix::io::Errno::BADF) => continue,
            Err(e) => {
                return Err(format!(
                    "descriptor {number} of process {}: {e}",
                    process.pid
                ));
            }
        };
        if let Some((write, read)) = keepsake::find_in(&socket) {
            return Ok(Some(Keepsake::of_ends(write, read, 0)));
        }
    }
    Ok(None)
}
