//! One running back end, a program that serves a device: started with a socket, found again by its pid file, ended.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::process::Signal;
use virt_confinement::Account;
use virt_error::{Error, ErrorDomain, Result};

use crate::process::{Process, Program, Stdio};

/// Number of its socket in the back end.
const SOCKET: i32 = 3;

/// How a back end is started.
#[derive(Debug)]
pub struct BackEnd<'a> {
    /// The program.
    pub binary: &'a Path,
    /// The file that has its number and that it keeps locked while it lives.
    pub pid_file: PathBuf,
    /// Where its output goes; nowhere otherwise.
    pub log: Option<PathBuf>,
    /// Who it runs as; as we do otherwise.
    pub account: Option<Account>,
}

impl BackEnd<'_> {
    /// Starts it with that socket, whose number its arguments name.
    ///
    /// # Errors
    /// SYSTEM_ERROR naming the program or its log.
    pub fn start(self, socket: OwnedFd, arguments: impl FnOnce(i32) -> Vec<String>) -> Result<()> {
        let mut program = Program::new(self.binary).args(arguments(SOCKET));
        if let Some(log) = &self.log {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(log);
            let file = file.map_err(|cause| {
                let what = format!("failed to create logfile {}", log.display());
                Error::system(ErrorDomain::Qemu, what, &cause)
            })?;
            program.output = Stdio::File(file);
        }
        program.descriptors = vec![(SOCKET, socket)];
        program.pid_file = Some(self.pid_file);
        program.account = self.account;
        let started = program.start();
        started.map(drop).map_err(|cause| {
            let what = format!("Unable to start '{}'", self.binary.display());
            Error::system(ErrorDomain::Qemu, what, &cause)
        })
    }
}

/// Ends the back end whose pid file that is, if it still lives, and removes the file.
pub(super) fn end(pid_file: &Path) {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(pid_file) else {
        return;
    };
    // Held by descriptor first: who holds the lock then is no later holder of the number.
    let held = holder(&file).and_then(|pid| Process::open(pid).ok().map(|p| (pid, p)));
    if let Some((pid, process)) = held
        && holder(&file) == Some(pid)
        && let Err(error) = process.signal(Signal::TERM)
    {
        tracing::warn!(%error, pid, path = %pid_file.display(), "cannot end a helper program");
    }
    let _ = std::fs::remove_file(pid_file);
}

/// The process that has the pid file locked.
fn holder(file: &File) -> Option<i32> {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_GETLK(&mut lock)).ok()?;
    (lock.l_type != libc::F_UNLCK as libc::c_short && lock.l_pid > 0).then_some(lock.l_pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_back_end_is_ended_by_its_pid_file() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("1-a-fs0-fs.pid");
        let (_ours, its) = super::super::pair().unwrap();
        let back_end = BackEnd {
            binary: Path::new("sleep"),
            pid_file: pid_file.clone(),
            log: Some(folder.path().join("log")),
            account: None,
        };
        back_end.start(its, |_| vec!["600".to_owned()]).unwrap();
        let file = File::open(&pid_file).unwrap();
        // The child locks it before it becomes the program.
        let pid = holder(&file).unwrap();
        let process = Process::open(pid).unwrap();
        end(&pid_file);
        process.ended().await;
        assert!(!pid_file.exists());
        assert_eq!(holder(&file), None);
    }
}
