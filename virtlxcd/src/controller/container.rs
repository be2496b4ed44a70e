//! A container's processes: its init is cloned into new namespaces, gets its maps of ids, sets itself
//! up and waits for the word to become its program.

#![allow(
    unsafe_code,
    reason = "close_range(2) has no safe interface that marks"
)]

use std::ffi::CString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use nix::sched::CloneFlags;
use rustix::process::{Pid, Signal};

use super::console::Console;
use super::{devices, first, mounts, terminals};
use crate::plan::{Plan, Range, Shared};
use crate::system_calls;

/// Init says this when it is set up; any other text is why it is not.
const READY: &[u8] = b"ready";

/// A container that is made.
#[derive(Debug)]
pub(super) struct Container {
    pid: Pid,
    /// The end of init is told here.
    pub(super) pidfd: OwnedFd,
    /// The init's end of what is said before it is its program.
    gate: UnixStream,
    /// What its consoles and the host's terminals say to each other.
    pub(super) consoles: Vec<Console>,
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {error}")
}

impl Container {
    /// Makes it; its init waits.
    pub(super) fn make(plan: &Plan) -> Result<Self, String> {
        let dev = devices::make(plan)?;
        let mut ready = Some(mounts::OnDevices::of(plan)?);
        let (ours, theirs) = UnixStream::pair().map_err(failed("no socket"))?;
        let init = || {
            let said = become_init(plan, &theirs, &dev, ready.take());
            // It does not return when all is well.
            let _ = (&theirs).write_all(said.as_bytes());
            1
        };
        let (pid, pidfd) = first::make(namespaces(plan), plan.cgroup.as_deref(), init)?;
        drop(theirs);
        let mut container = Self {
            pid,
            pidfd,
            gate: ours,
            consoles: Vec::new(),
        };
        // Whatever fails from here on ends init, as the container is dropped.
        container.map_ids(plan)?;
        container.gate.write_all(b"m").map_err(failed("init"))?;
        for _ in 0..plan.consoles {
            let inside =
                terminals::receive(&container.gate).map_err(|said| container.reason(said))?;
            let console = Console::new(inside)
                .map_err(|e| format!("cannot make a terminal for a console: {e}"))?;
            container.consoles.push(console);
        }
        let said = container.hear(READY.len());
        if said != READY {
            return Err(container.reason(said));
        }
        Ok(container)
    }

    /// Init's number on the host.
    pub(super) fn init(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// The terminals of the host that lead to its consoles.
    pub(super) fn terminals(&self) -> Vec<String> {
        let consoles = self.consoles.iter();
        consoles.map(|console| console.path().to_owned()).collect()
    }

    /// Has init become its program.
    pub(super) fn run(mut self, plan: &Plan) -> Result<Self, String> {
        self.gate.write_all(b"g").map_err(failed("init"))?;
        let mut said = Vec::new();
        // The end comes with the program, as the descriptor is closed by it.
        let _ = (&self.gate).take(4096).read_to_end(&mut said);
        match said.is_empty() {
            true => Ok(self),
            false => Err(format!(
                "cannot run init '{}': {}",
                plan.init.first().map_or("", String::as_str),
                self.reason(said)
            )),
        }
    }

    fn hear(&self, most: usize) -> Vec<u8> {
        let mut said = vec![0; most];
        let mut have = 0;
        while have < most {
            match (&self.gate).read(&mut said[have..]) {
                Ok(0) | Err(_) => break,
                Ok(more) => have += more,
            }
        }
        said.truncate(have);
        said
    }

    /// What init says that could not be done, of which `said` was heard already.
    fn reason(&self, mut said: Vec<u8>) -> String {
        let _ = (&self.gate).take(4096).read_to_end(&mut said);
        match said.is_empty() {
            true => "the container's init ended while it was set up".into(),
            false => String::from_utf8_lossy(&said).into_owned(),
        }
    }

    fn map_ids(&self, plan: &Plan) -> Result<(), String> {
        if plan.users.is_empty() {
            return Ok(());
        }
        for (file, ranges) in [("uid_map", &plan.users), ("gid_map", &plan.groups)] {
            let path = format!("/proc/{}/{file}", self.init());
            std::fs::write(&path, map(ranges))
                .map_err(|e| format!("cannot map the container's ids in '{path}': {e}"))?;
        }
        Ok(())
    }

    /// Ends all of the container's processes at once.
    pub(super) fn kill(&self) {
        // One that is gone already is what was wanted.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.kill();
    }
}

fn map(ranges: &[Range]) -> String {
    let lines = ranges.iter().map(|range| {
        let Range {
            inside,
            outside,
            count,
        } = range;
        format!("{inside} {outside} {count}\n")
    });
    lines.collect()
}

fn namespaces(plan: &Plan) -> CloneFlags {
    let mut flags = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if plan.own_network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    if !plan.users.is_empty() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    // It is in those of others with its controller.
    plan.shared
        .iter()
        .fold(flags, |flags, what| flags - what.flag())
}

/// Runs in the container's first process. Returns only why it could not become its program.
fn become_init(
    plan: &Plan,
    gate: &UnixStream,
    dev: &OwnedFd,
    ready: Option<mounts::OnDevices>,
) -> String {
    match set_up(plan, gate, dev, ready) {
        Ok(never) => match never {},
        Err(what) => what,
    }
}

fn set_up(
    plan: &Plan,
    gate: &UnixStream,
    dev: &OwnedFd,
    ready: Option<mounts::OnDevices>,
) -> Result<std::convert::Infallible, String> {
    await_word(gate)?;
    // While `/proc` is the host's and no definition has mounted anything over it.
    if let Some(label) = &plan.label {
        label
            .set_on_exec()
            .map_err(|e| format!("cannot have it labelled as {label:?}: {e}"))?;
    }
    rustix::process::setsid().map_err(|e| format!("no session: {e}"))?;
    let none: &[rustix::process::Gid] = &[];
    if !plan.users.is_empty() {
        rustix::thread::set_thread_groups(none).map_err(|e| format!("groups: {e}"))?;
        rustix::thread::set_thread_gid(rustix::process::Gid::ROOT)
            .map_err(|e| format!("its map of groups has no 0: {e}"))?;
        rustix::thread::set_thread_uid(rustix::process::Uid::ROOT)
            .map_err(|e| format!("its map of users has no 0: {e}"))?;
    }
    end_with_controller()?;
    if !plan.shared.contains(&Shared::Uts) {
        rustix::system::sethostname(host_name(&plan.name).as_bytes())
            .map_err(|e| format!("cannot set the host's name: {e}"))?;
    }
    if plan.cgroup.is_some() {
        // Its group is the topmost that it sees.
        nix::sched::unshare(CloneFlags::CLONE_NEWCGROUP)
            .map_err(|e| format!("cannot make a namespace of control groups: {e}"))?;
    }
    mounts::enter(plan, ready.ok_or("init is set up once")?)?;
    devices::show(dev, plan)?;
    let consoles = terminals::make(plan.consoles, gate)?;
    mounts::finish(plan)?;
    (&mut &*gate)
        .write_all(READY)
        .map_err(|e| format!("controller: {e}"))?;
    await_word(gate)?;
    let [program, ..] = plan.init.as_slice() else {
        return Err("no program".into());
    };
    let arguments = strings(&plan.init)?;
    let environment = strings(&plan.environment)?;
    let path = CString::new(program.as_str()).map_err(|e| e.to_string())?;
    rustix::process::chdir(&*plan.folder)
        .map_err(|e| format!("cannot go to its folder '{}': {e}", plan.folder))?;
    terminals::take(consoles)?;
    // While it may administrate its user namespace: no_new_privs would be the price later.
    system_calls::keep_to(&mut system_calls::filter(&plan.granted))?;
    drop_privileges(plan)?;
    nothing_is_passed_on()?;
    // The change of user takes it back.
    end_with_controller()?;
    let Err(error) = nix::unistd::execve(&path, &arguments, &environment);
    Err(io::Error::from(error).to_string())
}

/// Of what the controller has open the program gets its terminal alone.
fn nothing_is_passed_on() -> Result<(), String> {
    // SAFETY: the call takes numbers, and closes nothing before the program is there.
    let marked =
        unsafe { nix::libc::close_range(3, u32::MAX, nix::libc::CLOSE_RANGE_CLOEXEC as i32) };
    match marked {
        0 => Ok(()),
        _ => Err(format!("descriptors: {}", io::Error::last_os_error())),
    }
}

fn strings(all: &[String]) -> Result<Vec<CString>, String> {
    let all = all.iter().map(|one| CString::new(one.as_str()));
    all.collect::<Result<_, _>>().map_err(|e| e.to_string())
}

fn await_word(gate: &UnixStream) -> Result<(), String> {
    let mut word = [0; 1];
    (&mut &*gate)
        .read_exact(&mut word)
        .map_err(|_| "the controller is gone".to_owned())
}

fn end_with_controller() -> Result<(), String> {
    // The controller can't be gone already: its end of the gate is what init waits for.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| format!("cannot tie the container to its controller: {e}"))
}

fn drop_privileges(plan: &Plan) -> Result<(), String> {
    crate::capabilities::drop(&plan.dropped)?;
    let gid = rustix::process::Gid::from_raw(plan.group);
    let uid = rustix::process::Uid::from_raw(plan.user);
    rustix::thread::set_thread_groups(&[]).map_err(|e| format!("groups: {e}"))?;
    rustix::thread::set_thread_gid(gid).map_err(|e| format!("group {}: {e}", plan.group))?;
    rustix::thread::set_thread_uid(uid).map_err(|e| format!("user {}: {e}", plan.user))?;
    Ok(())
}

/// The container's name as its host's: what host names can't have is left out.
fn host_name(name: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    name.chars().filter(fits).take(64).collect()
}
