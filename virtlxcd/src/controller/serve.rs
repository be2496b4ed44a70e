//! The life of a running container: bytes of its consoles, clients of its monitor socket, its end.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};
use virt_rpc::protocol::lxc_monitor::ExitStatus;

use super::container::Container;
use super::monitor::Monitor;

/// Serves until init ends.
pub(super) fn serve(mut container: Container, mut monitor: Monitor) -> io::Result<()> {
    // A client that goes away in the middle of a message ends its connection, not the container.
    loop {
        let waiting = container
            .consoles
            .iter()
            .any(super::console::Console::is_waiting);
        let wanted = |fd, flags| PollFd::from_borrowed_fd(fd, flags);
        let mut fds = vec![
            wanted(container.pidfd.as_fd(), PollFlags::IN),
            wanted(monitor.listener(), PollFlags::IN),
        ];
        fds.extend(monitor.client().map(|fd| wanted(fd, PollFlags::IN)));
        let has_client = monitor.client().is_some();
        for console in &container.consoles {
            fds.extend(console.wanted().map(|(fd, flags)| wanted(fd, flags)));
        }
        let soon = Timespec {
            tv_sec: 0,
            tv_nsec: 200_000_000,
        };
        match poll(&mut fds, waiting.then_some(&soon)) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let is_ready = |at: usize| ready.get(at).copied().unwrap_or(false);
        for console in &mut container.consoles {
            console.go();
        }
        if has_client && is_ready(2) {
            monitor.hang_up();
        }
        if is_ready(1) {
            monitor.accept(container.init());
        }
        if is_ready(0) {
            break;
        }
    }
    let ended = waitid(
        WaitId::PidFd(container.pidfd.as_fd()),
        WaitIdOptions::EXITED,
    )?;
    let signal = ended.and_then(|status| status.terminating_signal());
    // The kernel's way to say that a container wants to be booted again (reboot(2)).
    let status = match signal == Some(Signal::HUP.as_raw()) {
        true => ExitStatus::REBOOT,
        false => ExitStatus::SHUTDOWN,
    };
    for console in &mut container.consoles {
        console.finish();
    }
    monitor.exit(status);
    Ok(())
}
