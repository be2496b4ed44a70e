//! Starting a program so that it lives on its own: in a session of its own, with exactly the
//! descriptors it is given, unharmed by what happens to the daemon.

use super::registration;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use std::os::unix::net::UnixStream;

use rustix::fs::{Gid, Mode, Uid};
use virt_confinement::Account;

use super::handle::Process;

/// Where a program's output goes.
#[derive(Debug, Default)]
pub enum Stdio {
    /// Nowhere.
    #[default]
    Null,
    /// Into this file.
    File(std::fs::File),
}

impl Stdio {
    fn duplicate(&self) -> io::Result<std::process::Stdio> {
        Ok(match self {
            Self::Null => std::process::Stdio::null(),
            Self::File(file) => file.try_clone()?.into(),
        })
    }
}

/// What is done about a program's process between its fork and its execution, given its number.
pub struct Place(Box<dyn FnOnce(u32) -> virt_error::Result<()> + Send>);

impl Place {
    /// That step. It may block; an error ends the start with [`Place::refusal`].
    pub fn new(step: impl FnOnce(u32) -> virt_error::Result<()> + Send + 'static) -> Self {
        Self(Box::new(step))
    }

    /// The error of the step, if a start failed for that.
    pub fn refusal(error: &io::Error) -> Option<&virt_error::Error> {
        error.get_ref()?.downcast_ref()
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

/// A program to start.
#[derive(Debug)]
pub struct Program {
    /// The binary's path, or a name to look up in `PATH`.
    pub binary: PathBuf,
    /// What it is told its name is; `None` = [`Self::binary`].
    pub name: Option<OsString>,
    /// Arguments without the program's own name.
    pub arguments: Vec<OsString>,
    /// The whole environment; `None` = the daemon's own.
    pub environment: Option<Vec<(OsString, OsString)>>,
    /// Output and errors.
    pub output: Stdio,
    /// Descriptors with the numbers they have in the program. Numbers are 3 or more, each once.
    pub descriptors: Vec<(RawFd, OwnedFd)>,
    /// File that gets the program's number in decimal digits (mode 0644), stays open in it and
    /// stays locked (`F_SETLK`, byte 0) while it lives, as libvirt's own pid files do.
    pub pid_file: Option<PathBuf>,
    /// Who it runs as; `None` = as the daemon.
    pub account: Option<Account>,
    /// What it says to a lock manager, of itself, before it becomes the program.
    pub registration: Option<crate::leases::Registration>,
    /// It is killed when the thread that starts it ends, however that ends: for a program that only
    /// answers the daemon. Start such a program from a thread that lives as long as the daemon.
    pub ends_with_us: bool,
    /// What is done about its process before it is executed: while that is under way the process
    /// waits, and it ends if the daemon does.
    pub place: Option<Place>,
}

impl Program {
    /// A program without arguments, output or descriptors.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            name: None,
            arguments: Vec::new(),
            environment: None,
            output: Stdio::Null,
            descriptors: Vec::new(),
            pid_file: None,
            account: None,
            registration: None,
            ends_with_us: false,
            place: None,
        }
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(|a| a.as_ref().to_owned());
        self.arguments.extend(arguments);
        self
    }

    /// Starts it: standard input `/dev/null`, working folder `/`, umask 002, a session of its
    /// own, no signal blocked. It is our child (until we end), so hold on to it.
    ///
    /// # Errors
    /// The kernel's, when the binary can't be executed, the pid file can't be written or a
    /// limit is reached; that of [`Program::place`].
    pub fn start(self) -> io::Result<Process> {
        let mut command = Command::new(&self.binary);
        command
            .args(&self.arguments)
            .stdin(std::process::Stdio::null())
            .stdout(self.output.duplicate()?)
            .stderr(self.output.duplicate()?)
            .current_dir("/");
        if let Some(name) = &self.name {
            command.arg0(name);
        }
        if let Some(environment) = self.environment {
            command.env_clear().envs(environment);
        }
        let pid_file = match &self.pid_file {
            Some(path) => Some(open_pid_file(path)?),
            None => None,
        };
        let above = self.descriptors.iter().map(|(n, _)| *n).max().unwrap_or(2) + 1;
        let moves = clear_of_targets(self.descriptors, pid_file, above)?;
        let account = self.account.map(Credentials::of);
        let (gate, ours) = match self.place {
            None => (None, None),
            Some(place) => {
                let (ours, theirs) = UnixStream::pair()?;
                let gate = Gate {
                    theirs: rustix::io::fcntl_dupfd_cloexec(&theirs, above)?,
                    ours: ours.as_raw_fd(),
                };
                (Some(gate), Some((place, ours)))
            }
        };
        let registering = self
            .registration
            .map(registration::Prepared::new)
            .transpose()?;
        in_child::prepare(
            &mut command,
            moves,
            gate,
            account,
            registering,
            self.ends_with_us,
        );
        let child = match ours {
            None => command.spawn(),
            Some((place, ours)) => spawn_placed(command, place, ours),
        }?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        // Not reaped before this, so the number is still the child's.
        Process::open(pid)
    }
}

/// The child's end of the socket over which it tells that it is there and waits for its turn.
#[derive(Debug)]
struct Gate {
    /// Above every number that a descriptor of the program has.
    theirs: OwnedFd,
    /// The number of our end, of which the child has a copy.
    ours: std::os::fd::RawFd,
}

/// Spawns a program whose process is placed by `place` in between.
fn spawn_placed(
    mut command: Command,
    place: Place,
    mut ours: UnixStream,
) -> io::Result<std::process::Child> {
    use std::io::{Read, Write};
    std::thread::scope(|scope| {
        let placing = scope.spawn(move || {
            let mut pid = [0; 4];
            // Nothing comes when there is no child, or when it ends before its turn: the spawn
            // knows why.
            ours.read_exact(&mut pid).ok()?;
            let placed = (place.0)(u32::from_ne_bytes(pid));
            if placed.is_ok() {
                // A child that is gone is told of by the spawn.
                let _ = ours.write_all(&[1]);
            }
            placed.err()
        });
        let spawned = command.spawn();
        // With it our copy of the child's end, so that the other thread does not wait for ever.
        drop(command);
        match placing.join() {
            Ok(None) => spawned,
            Ok(Some(error)) => Err(io::Error::other(error)),
            Err(_) => Err(io::Error::other("the process could not be placed")),
        }
    })
}

fn open_pid_file(path: &std::path::Path) -> io::Result<OwnedFd> {
    let flags = rustix::fs::OFlags::WRONLY
        | rustix::fs::OFlags::CREATE
        | rustix::fs::OFlags::TRUNC
        | rustix::fs::OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))?)
}

/// An account in the form the kernel takes, made before the fork.
#[derive(Debug)]
struct Credentials {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Credentials {
    fn of(account: Account) -> Self {
        let groups = account.groups.iter().map(|gid| Gid::from_raw(*gid));
        Self {
            uid: Uid::from_raw(account.owner.uid),
            gid: Gid::from_raw(account.owner.gid),
            groups: groups.collect(),
        }
    }
}

/// What the child does with descriptors between fork and exec.
#[derive(Debug)]
struct Moves {
    /// Each descriptor with its number to be. None has a number that is another's number to be.
    moves: Vec<(OwnedFd, RawFd)>,
    pid_file: Option<OwnedFd>,
}

/// Duplicates the descriptors above every target number, so that the order of the moves in the
/// child doesn't matter and nothing has to be allocated there.
fn clear_of_targets(
    descriptors: Vec<(RawFd, OwnedFd)>,
    pid_file: Option<OwnedFd>,
    above: RawFd,
) -> io::Result<Moves> {
    let lift = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, above);
    let mut moves = Vec::with_capacity(descriptors.len());
    for (number, fd) in &descriptors {
        debug_assert!(*number > 2);
        moves.push((lift(fd)?, *number));
    }
    let pid_file = pid_file.as_ref().map(lift).transpose()?;
    Ok(Moves { moves, pid_file })
}

mod in_child {
    #![allow(
        unsafe_code,
        reason = "the steps between fork and exec have no safe interface in the standard library"
    )]

    use super::{AsRawFd, Command, CommandExt, Credentials, Gate, Mode, Moves, io, registration};

    /// Appends the steps that run in the child.
    pub(super) fn prepare(
        command: &mut Command,
        moves: Moves,
        gate: Option<Gate>,
        credentials: Option<Credentials>,
        mut registering: Option<registration::Prepared>,
        ends_with_us: bool,
    ) {
        let us = rustix::process::getpid();
        // SAFETY: the closure runs in the forked child, where only async-signal-safe calls are
        // allowed. Everything in it is a direct system call on data made before the fork: no
        // allocation, no lock, no panic (sizes are fixed, indexing is bounded by the buffer).
        unsafe {
            command.pre_exec(move || {
                rustix::process::setsid()?;
                rustix::process::umask(Mode::from_raw_mode(0o002));
                if let Some(gate) = &gate {
                    // SAFETY of the call: our copy of the parent's end, which nothing here uses;
                    // gone before a descriptor takes a number that may be its.
                    nix::libc::close(gate.ours);
                }
                for (fd, number) in &moves.moves {
                    // SAFETY of the call: `dup2` on a number we own from here on, as the
                    // child's table is private; both numbers are valid and differ.
                    if libc_dup2(fd.as_raw_fd(), *number) < 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
                if let Some(file) = &moves.pid_file {
                    write_pid(file)?;
                }
                if let Some(gate) = &gate {
                    wait_for_turn(gate)?;
                }
                // As the daemon's own user, whom lock managers trust.
                if let Some(registering) = &mut registering {
                    registering.say()?;
                }
                if let Some(credentials) = &credentials {
                    // The child has one thread, so the thread's identity is the process's. Groups
                    // first: afterwards the privilege to set them is gone.
                    rustix::thread::set_thread_groups(&credentials.groups)?;
                    rustix::thread::set_thread_gid(credentials.gid)?;
                    rustix::thread::set_thread_uid(credentials.uid)?;
                }
                // After the change of user, which takes it back.
                if ends_with_us {
                    let kill = rustix::process::Signal::KILL;
                    rustix::process::set_parent_process_death_signal(Some(kill))?;
                    if rustix::process::getppid() != Some(us) {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                }
                Ok(())
            });
        }
    }

    /// Tells the parent our number and waits until it lets us go. Nobody has to wait here for a
    /// parent that is gone: others that were forked meanwhile hold copies of its end, so its death is
    /// asked for as well.
    fn wait_for_turn(gate: &Gate) -> io::Result<()> {
        let kill = rustix::process::Signal::KILL;
        rustix::process::set_parent_process_death_signal(Some(kill))?;
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        rustix::io::write(&gate.theirs, &pid.to_ne_bytes())?;
        let mut word = [0u8; 1];
        let read = || rustix::io::read(&gate.theirs, &mut word);
        if rustix::io::retry_on_intr(read)? != 1 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        rustix::process::set_parent_process_death_signal(None)?;
        Ok(())
    }

    fn libc_dup2(from: i32, to: i32) -> i32 {
        // SAFETY: dup2 takes numbers only; it is async-signal-safe (signal-safety(7)).
        unsafe { nix::libc::dup2(from, to) }
    }

    fn write_pid(file: &std::os::fd::OwnedFd) -> io::Result<()> {
        // SAFETY: all-zero is a valid flock: from byte 0, whence SEEK_SET.
        let mut lock: nix::libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = nix::libc::F_WRLCK as _;
        lock.l_len = 1;
        // SAFETY: fcntl reads a flock that lives over the call; async-signal-safe.
        if unsafe { nix::libc::fcntl(file.as_raw_fd(), nix::libc::F_SETLK, &raw const lock) } < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut digits = [0u8; 12];
        let mut at = digits.len();
        let mut rest = rustix::process::getpid().as_raw_nonzero().get();
        while rest > 0 && at > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        rustix::io::write(file, &digits[at..])?;
        // Open in the program for its life: the lock ends with it.
        rustix::io::fcntl_setfd(file, rustix::io::FdFlags::empty())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::handle::Ending;
    use std::io::Read;

    fn shell(script: &str) -> Program {
        Program::new("/bin/sh").args(["-c", script])
    }

    #[tokio::test]
    async fn descriptors_arrive_under_their_numbers() {
        let (mut out, write) = std::io::pipe().unwrap();
        let (read, mut feed) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut feed, b"hello").unwrap();
        drop(feed);
        let mut program = shell("cat <&3 >&4; umask >&4; pwd >&4; ls /proc/self/fd | wc -l >&4");
        program.descriptors = vec![(3, read.into()), (4, write.into())];
        let process = program.start().unwrap();
        assert_eq!(process.ended().await, Ending::Exited(0));
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("hello0002"));
        assert_eq!(lines.next(), Some("/"));
    }

    #[tokio::test]
    async fn the_pid_file_holds_number_and_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pid");
        let mut program = Program::new("/bin/sleep").arg("1000");
        program.pid_file = Some(path.clone());
        let process = program.start().unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            process.pid().to_string()
        );
        let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap());
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        assert!(
            locks
                .lines()
                .any(|l| l.contains("POSIX") && l.contains(&format!(":{inode} 0 0"))),
            "{locks}"
        );
        process.kill().unwrap();
        process.ended().await;
    }

    #[tokio::test]
    async fn it_runs_as_the_account_with_no_privilege_left() {
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED: needs root to become somebody else");
            return;
        }
        let (mut out, write) = std::io::pipe().unwrap();
        let mut program = shell("id -u >&3; id -G >&3; grep CapEff /proc/self/status >&3");
        program.descriptors = vec![(3, write.into())];
        program.account = Some(Account {
            owner: virt_confinement::Owner {
                uid: 54321,
                gid: 54322,
            },
            name: "someone".to_owned(),
            groups: vec![54322, 54323],
        });
        let process = program.start().unwrap();
        assert_eq!(process.ended().await, Ending::Exited(0));
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["54321", "54322 54323"]);
        assert!(lines[2].ends_with("\t0000000000000000"), "{text}");
    }

    #[tokio::test]
    async fn its_process_waits_until_it_is_placed() {
        let folder = tempfile::tempdir().unwrap();
        let (ran, seen) = (folder.path().join("ran"), folder.path().join("seen"));
        let script = format!("echo $$ > {}", ran.display());
        let mut program = shell(&script);
        let (ran_by_then, told) = (ran.clone(), seen.clone());
        program.place = Some(Place::new(move |pid| {
            assert!(!ran_by_then.exists());
            std::fs::write(told, format!("{pid}\n")).unwrap();
            Ok(())
        }));
        let process = program.start().unwrap();
        assert_eq!(process.ended().await, Ending::Exited(0));
        let (ran, seen) = (std::fs::read(ran).unwrap(), std::fs::read(seen).unwrap());
        assert_eq!(ran, seen);
    }

    #[tokio::test]
    async fn one_that_can_not_be_placed_is_not_executed() {
        let folder = tempfile::tempdir().unwrap();
        let ran = folder.path().join("ran");
        let mut program = shell(&format!("touch {}", ran.display()));
        let refusal = virt_error::Error::new(
            virt_error::ErrorCode::InternalError,
            virt_error::ErrorDomain::Cgroup,
            "no room",
        );
        let told = refusal.clone();
        program.place = Some(Place::new(move |_| Err(told)));
        let error = program.start().unwrap_err();
        assert_eq!(Place::refusal(&error), Some(&refusal));
        assert!(!ran.exists());
        let mut missing = Program::new("/nonexistent/qemu");
        missing.place = Some(Place::new(|_| Ok(())));
        assert_eq!(missing.start().unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_missing_binary_is_an_error() {
        let error = Program::new("/nonexistent/qemu").start().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
