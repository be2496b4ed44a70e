//! Whether the process that asks is still the one that connected. A process id is used again once
//! its process is gone: the start time tells, and a pidfd (pidfd_open(2)) goes on telling.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use virt_rpc::protocol::decisions::Subject;
use virt_rpc::server::start_time;

/// Processes that are held at once.
const HELD: usize = 4096;

/// Processes that were found to be what they are said to be.
#[derive(Debug, Default)]
pub struct Processes(Mutex<HashMap<(i32, u64), OwnedFd>>);

impl Processes {
    /// Whether the subject's process lives, where the subject has one.
    ///
    /// # Errors
    /// It is gone, or another one has its number, or that can't be known: a sentence.
    pub fn verify(&self, subject: &Subject) -> Result<(), String> {
        let (pid, started) = match (subject.pid, subject.start_time) {
            (None, None) => return Ok(()),
            (Some(pid), Some(started)) => (pid, started),
            (Some(pid), None) => {
                return Err(format!("it is not known when process {pid} started"));
            }
            (None, Some(_)) => return Err("a start time without a process".to_owned()),
        };
        // A map that was being changed is still a map.
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = held.get(&(pid, started)) {
            if lives(process) {
                return Ok(());
            }
            held.remove(&(pid, started));
            return Err(gone(pid));
        }
        let process = open(pid)?;
        match start_time(pid) {
            // The process that the descriptor is for still lives, so it is the one that was read.
            Some(now) if lives(&process) => {
                if now != started {
                    return Err(format!(
                        "process {pid} is not the one that connected: that one is gone, and its \
                         number was given to another"
                    ));
                }
            }
            None if lives(&process) => {
                return Err(format!(
                    "/proc/{pid}/stat can't be read (is /proc mounted with hidepid?)"
                ));
            }
            _ => return Err(gone(pid)),
        }
        if held.len() >= HELD {
            held.retain(|_, process| lives(process));
        }
        if held.len() >= HELD {
            held.clear();
        }
        held.insert((pid, started), process);
        Ok(())
    }
}

fn open(pid: i32) -> Result<OwnedFd, String> {
    let named = (pid > 0).then(|| Pid::from_raw(pid)).flatten();
    let named = named.ok_or_else(|| format!("{pid} is no process"))?;
    pidfd_open(named, PidfdFlags::empty()).map_err(|e| match e {
        rustix::io::Errno::SRCH => gone(pid),
        e => format!("process {pid} can't be held: {e}"),
    })
}

fn lives(process: &OwnedFd) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut ends = [PollFd::new(process, PollFlags::IN)];
    poll(&mut ends, Some(&now)) == Ok(0)
}

fn gone(pid: i32) -> String {
    format!("process {pid}, which connected, is gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(pid: i32, start_time: Option<u64>) -> Subject {
        Subject {
            pid: Some(pid),
            start_time,
            uid: 0,
            gid: 0,
            selinux_context: None,
        }
    }

    #[test]
    fn a_process_counts_until_it_ends_and_its_number_for_nobody_else() {
        let processes = Processes::default();
        let mut child = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let started = start_time(pid).unwrap();
        assert_eq!(processes.verify(&subject(pid, Some(started))), Ok(()));
        assert_eq!(processes.verify(&subject(pid, Some(started))), Ok(()));
        let text = processes
            .verify(&subject(pid, Some(started + 1)))
            .unwrap_err();
        assert!(text.contains("given to another"), "{text}");
        child.kill().unwrap();
        child.wait().unwrap();
        let text = processes.verify(&subject(pid, Some(started))).unwrap_err();
        assert!(text.contains("gone"), "{text}");
        assert!(processes.verify(&subject(1, None)).is_err());
        assert!(processes.verify(&subject(-1, Some(1))).is_err());
    }
}
