//! Holding on to a process by descriptor (pidfd): its end is known at once and its number can't
//! be mistaken for a later process's. Works for children and strangers alike; nothing polls.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::watch;

/// How a process ended, as far as it can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It left with this status.
    Exited(i32),
    /// This signal killed it.
    Killed(i32),
    /// It was no child of ours, so the kernel told only that it ended.
    Unknown,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
            Self::Unknown => f.write_str("ended"),
        }
    }
}

/// A process, held by descriptor.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    fd: AsyncFd<OwnedFd>,
}

impl Process {
    /// Takes hold of a running process. For a number that was read from a file, check what it
    /// is ([`Process::arguments`]) *after* this.
    ///
    /// # Errors
    /// `ESRCH` when there is none, or when the runtime can't watch one more descriptor.
    pub fn open(pid: i32) -> io::Result<Self> {
        let pid = Some(pid)
            .filter(|pid| *pid > 0)
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        // Close-on-exec by the kernel's own rule.
        let fd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        Ok(Self {
            pid,
            fd: watch(fd, Interest::READABLE)?,
        })
    }

    /// The process's number.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends a signal; a process that ended meanwhile is no error.
    ///
    /// # Errors
    /// `EPERM` when the process belongs to someone else.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.fd.get_ref(), signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Kills it now (SIGKILL; works on a stopped process as well).
    ///
    /// # Errors
    /// As [`Process::signal`].
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&self) -> bool {
        let mut fds = [rustix::event::PollFd::new(
            self.fd.get_ref(),
            rustix::event::PollFlags::IN,
        )];
        let now = rustix::event::Timespec::default();
        matches!(rustix::event::poll(&mut fds, Some(&now)), Ok(0))
    }

    /// Waits for its end and leaves it to others to reap it.
    pub async fn readable(&self) {
        // An error can only be that the runtime shuts down: then nobody waits for the answer.
        drop(self.fd.readable().await);
    }

    /// Waits for its end. A child is reaped by the first who gets here; later and other callers
    /// see [`Ending::Unknown`].
    pub async fn ended(&self) -> Ending {
        self.readable().await;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        match waitid(
            WaitId::PidFd(std::os::fd::AsFd::as_fd(self.fd.get_ref())),
            options,
        ) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Ending::Exited(code),
                (None, Some(signal)) => Ending::Killed(signal),
                (None, None) => Ending::Unknown,
            },
            Ok(None) | Err(_) => Ending::Unknown,
        }
    }

    /// Its command line.
    ///
    /// # Errors
    /// When it ended, or `/proc` is not there.
    pub fn arguments(&self) -> io::Result<Vec<Vec<u8>>> {
        let text = std::fs::read(format!("/proc/{}/cmdline", self.pid()))?;
        Ok(text
            .split(|b| *b == 0)
            .filter(|a| !a.is_empty())
            .map(<[u8]>::to_vec)
            .collect())
    }
}

#[cfg(test)]
#[allow(
    clippy::zombie_processes,
    reason = "the children are reaped through their pidfds"
)]
mod tests {
    use super::*;
    use std::process::Command;

    #[tokio::test]
    async fn a_childs_end_is_told_with_its_status() {
        let child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let process = Process::open(child.id().try_into().unwrap()).unwrap();
        assert_eq!(process.ended().await, Ending::Exited(7));
        assert!(!process.is_alive());
        assert_eq!(process.ended().await, Ending::Unknown);
        process.kill().unwrap();
    }

    #[tokio::test]
    async fn a_stopped_child_can_be_killed() {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = Process::open(child.id().try_into().unwrap()).unwrap();
        process.signal(Signal::STOP).unwrap();
        assert!(process.is_alive());
        process.kill().unwrap();
        assert_eq!(process.ended().await, Ending::Killed(9));
    }

    #[tokio::test]
    async fn numbers_that_are_no_process_are_refused() {
        assert!(Process::open(0).is_err());
        assert!(Process::open(-5).is_err());
        assert!(Process::open(i32::MAX).is_err());
    }
}
