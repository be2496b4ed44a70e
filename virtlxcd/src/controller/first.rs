//! A container's first process, born into its namespaces and its control group at once: moving it into
//! the group later would take some 10 ms, for which the kernel holds up every fork of the host.

#![allow(unsafe_code, reason = "clone3(2) has no safe interface")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;
use nix::sched::CloneFlags;
use rustix::process::Pid;

/// `CLONE_INTO_CGROUP` (linux/sched.h), which has no room in the crate's constant.
const INTO_CGROUP: u64 = 1 << 33;

/// Makes a copy of this process, which has one thread, in the namespaces of these flags and in the
/// control group of that folder. The copy runs `init` and ends with what that returns. Gives its number
/// and what tells of its end.
pub(super) fn make(
    namespaces: CloneFlags,
    group: Option<&str>,
    init: impl FnOnce() -> i32,
) -> Result<(Pid, OwnedFd), String> {
    let group = group.map(|path| {
        let opened = File::options()
            .read(true)
            .custom_flags(libc::O_DIRECTORY)
            .open(path);
        opened.map_err(|e| format!("cannot open the control group '{path}': {e}"))
    });
    let group = group.transpose()?;
    let mut pidfd: i32 = -1;
    // SAFETY: all of its fields are numbers, for which 0 is "not used".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags =
        u64::from(namespaces.bits().cast_unsigned()) | u64::from(libc::CLONE_PIDFD.cast_unsigned());
    arguments.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(group) = &group {
        arguments.flags |= INTO_CGROUP;
        arguments.cgroup = u64::from(group.as_raw_fd().cast_unsigned());
    }
    let size = size_of_val(&arguments);
    // SAFETY: without CLONE_VM this is fork(2): this process has one thread, so the copy of its memory that
    // the child gets is whole. The kernel writes `pidfd`, which outlives the call.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size) };
    match pid {
        // SAFETY: nothing that the copied process wants done at its end is the copy's to do.
        0 => unsafe { libc::_exit(init()) },
        -1 => Err(format!(
            "cannot make the namespaces: {}",
            io::Error::last_os_error()
        )),
        pid => {
            // SAFETY: the kernel made it for this call, close-on-exec.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            Ok((pid.ok_or("no number")?, pidfd))
        }
    }
}
