//! A process that stands in for one of a user's. Polkit decides about processes: to know what it
//! would say to a user, there has to be one, and only root can make it.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::unistd::User;
use virt_rpc::protocol::decisions::Subject;
use virt_rpc::server::start_time;

use super::Ended;

/// What the program is called with to be one.
pub(super) const NAME: &str = "stand-in";

/// Waits until nobody needs it any more.
pub(super) fn run(_: Vec<OsString>) -> Result<Ended, String> {
    // It ends with the other end of the pipe.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(Ended::Well)
}

/// A user's process, as long as this is there.
#[derive(Debug)]
pub(super) struct StandIn {
    process: Option<Child>,
    subject: Subject,
}

impl StandIn {
    /// Makes one of that user. Who is not root can only stand for themselves.
    pub(super) fn of(user: &User) -> Result<Self, String> {
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        let failed = |e: std::io::Error| format!("no process of user '{}': {e}", user.name);
        let mut this = Self {
            process: None,
            subject: Subject {
                pid: None,
                start_time: None,
                uid,
                gid,
                selinux_context: None,
            },
        };
        let mut pid = std::process::id();
        if nix::unistd::geteuid() != user.uid {
            let program = std::env::current_exe().map_err(failed)?;
            let child = Command::new(program)
                .arg(NAME)
                .uid(uid)
                .gid(gid)
                .current_dir("/")
                .env_clear()
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(failed)?;
            pid = child.id();
            this.process = Some(child);
        }
        this.subject.pid = i32::try_from(pid).ok();
        this.subject.start_time = this.subject.pid.and_then(start_time);
        Ok(this)
    }

    /// It, as a subject.
    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            drop(process.stdin.take());
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
