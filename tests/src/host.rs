//! A host of the test's own: a folder for all that daemons write, and the daemon under test in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::groups::Leftovers;
use crate::keeper::Keeper;
use crate::ran::{Ran, run};
use crate::target::{Target, is_root};
use crate::wire::Wire;

/// How long anything awaited may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Calls `ready` until it is true.
///
/// # Panics
/// When it is not true within [`PATIENCE`]: `what` was awaited in vain.
#[track_caller]
pub fn eventually(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ready() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// The folder, the keeper and the daemon. Dropping it ends all processes and removes the folder
/// (unless `VIRT_TEST_KEEP` is set).
pub struct Host {
    /// Ours or the stock daemon.
    pub target: Target,
    daemon: Option<u32>,
    // Before the folder, so that nothing writes to it while it is removed.
    keeper: Keeper,
    // After the keeper, which ends the processes in them.
    groups: Leftovers,
    folder: TempDir,
}

impl Drop for Host {
    fn drop(&mut self) {
        // A killed daemon, as some are, can't take its guests' groups away.
        let qemus = self.qemus();
        self.groups.note(&qemus);
    }
}

impl Host {
    /// Has the groups of these processes removed in the end as well.
    pub(crate) fn note_groups(&mut self, pids: &[u32]) {
        self.groups.note(pids);
    }
}

impl Host {
    /// A host whose daemon of the chosen target answers.
    pub fn start() -> Self {
        let mut host = Self::without_daemon();
        host.start_daemon();
        host
    }

    /// A host whose daemon has not been started, for tests that prepare its folders first.
    pub fn without_daemon() -> Self {
        Self::of(Target::chosen())
    }

    /// The same for the target named.
    pub fn of(target: Target) -> Self {
        Self::prepared(target, |_| Vec::new())
    }

    /// The same with its folder in `parent`, whose file system is then the daemon's.
    pub fn below(target: Target, parent: &Path) -> Self {
        Self::prepared_below(target, parent, |_| Vec::new())
    }

    /// The same, after `prepare` has written what it likes into the folder; what it returns are files
    /// and folders that are laid over others of the machine for the host's daemons (as root only).
    pub fn prepared(
        target: Target,
        prepare: impl FnOnce(&Path) -> Vec<(PathBuf, PathBuf)>,
    ) -> Self {
        Self::prepared_below(target, &std::env::temp_dir(), prepare)
    }

    /// The host of a target on which stock programs find their folders, too (root only).
    pub fn with_stock_folders(target: Target) -> Self {
        let mut host = Self::of(Target::Stock);
        host.target = target;
        host
    }

    fn prepared_below(
        target: Target,
        parent: &Path,
        prepare: impl FnOnce(&Path) -> Vec<(PathBuf, PathBuf)>,
    ) -> Self {
        let folder = TempDir::with_prefix_in("virt-test-", parent);
        let mut folder = folder.expect("a folder for the test");
        folder.disable_cleanup(std::env::var_os("VIRT_TEST_KEEP").is_some());
        let root = folder.path();
        // Guests may run as a user of their own, who must get to their files.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("chmod");
        let folders = [
            "etc/libvirt",
            "run/libvirt",
            "var/lib/libvirt",
            "var/log/libvirt",
            "var/cache/libvirt",
        ];
        for below in folders.iter().chain(&["run/lock", "home", "work"]) {
            fs::create_dir_all(root.join(below)).expect("mkdir");
        }
        if !is_root() {
            session_folders(root).expect("links");
        }
        let mut binds = prepare(root);
        if target == Target::Stock {
            assert!(is_root(), "the stock daemon is only tried as root");
            binds.push((root.join("run"), PathBuf::from("/run")));
            for below in folders.iter().filter(|below| !below.starts_with("run")) {
                binds.push((root.join(below), Path::new("/").join(below)));
            }
        }
        let keeper = Keeper::start(is_root(), &binds);
        // No virtlogd here: guests' output goes to files.
        let mut conf = "stdio_handler = \"file\"\n".to_owned();
        if !is_root() {
            // One network for all tests: each gets ports for displays that others don't take.
            let first = 6000 + keeper.pid() % 1300 * 20;
            let last = first + 19;
            conf += &format!("remote_display_port_min = {first}\n");
            conf += &format!("remote_display_port_max = {last}\n");
        }
        fs::write(root.join("etc/libvirt/qemu.conf"), conf).expect("qemu.conf");
        Host {
            target,
            daemon: None,
            keeper,
            groups: Leftovers::default(),
            folder,
        }
    }

    /// The folder that stands for `/`.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path below [`Host::root`].
    pub fn path(&self, below: &str) -> PathBuf {
        self.root().join(below)
    }

    /// The folder commands run in.
    pub fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// The keeper, to start further programs on this host.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// The daemon's main socket.
    pub fn socket(&self) -> PathBuf {
        self.path("run/libvirt").join(self.target.socket())
    }

    /// The URI that the daemon serves.
    pub fn served(&self) -> &'static str {
        match is_root() {
            true => "qemu:///system",
            false => "qemu:///session",
        }
    }

    /// The URI that reaches the daemon from anywhere on the machine.
    pub fn uri(&self) -> String {
        format!("{}?socket={}", self.served(), self.socket().display())
    }

    /// A connection of bare packets, opened.
    ///
    /// # Panics
    /// When the daemon does not take it.
    #[track_caller]
    pub fn wire(&self) -> Wire {
        Wire::open(&self.socket(), self.served()).expect("open a connection")
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// # Panics
    /// When it ends or does not answer, with its log.
    pub fn start_daemon(&mut self) {
        self.spawn_daemon(&[]);
        self.await_socket();
        let first = self.virsh(&["uri"]);
        assert_eq!(first.code, 0, "{first:?}\n{}", self.log());
    }

    /// Waits until the daemon takes connections.
    ///
    /// # Panics
    /// When it ends instead, with its log.
    pub fn await_socket(&self) {
        eventually("the daemon's first answer", || {
            assert!(self.daemon_runs(), "the daemon ended:\n{}", self.log());
            UnixStream::connect(self.socket()).is_ok()
        });
    }

    /// Starts the daemon with further arguments and does not wait for it; its process id.
    pub fn spawn_daemon(&mut self, further: &[&str]) -> u32 {
        self.spawn_daemon_by(&[], further)
    }

    /// The same through a program that becomes the daemon: `before` is its command line up to the
    /// daemon's.
    pub fn spawn_daemon_by(&mut self, before: &[&str], further: &[&str]) -> u32 {
        let program = self.target.program();
        let root = self.root().to_string_lossy().into_owned();
        let mut words = before.to_vec();
        words.push(&program);
        if self.target == Target::Ours {
            words.extend(["--root", &root]);
            if !is_root() {
                words.push("--session");
            }
        }
        words.extend(further);
        let pid = self
            .keeper
            .spawn(&words, &[("LC_ALL", "C")], &self.path("daemon.log"));
        self.daemon = Some(pid);
        pid
    }

    /// The daemon's process id.
    ///
    /// # Panics
    /// When none was started.
    pub fn daemon_pid(&self) -> u32 {
        self.daemon.expect("a daemon was started")
    }

    /// Whether the daemon's process is there.
    pub fn daemon_runs(&self) -> bool {
        self.daemon.is_some_and(process_runs)
    }

    /// Sends the daemon a signal and waits for its end: `exit CODE` or `signal NUMBER`.
    pub fn end_daemon(&mut self, signal: Signal) -> String {
        let pid = self.daemon.take().expect("a daemon was started");
        send(pid, signal);
        self.keeper.wait(pid)
    }

    /// Waits for the end of the daemon, which comes without our doing: `exit CODE` or
    /// `signal NUMBER`.
    pub fn daemon_ends(&mut self) -> String {
        let pid = self.daemon.take().expect("a daemon was started");
        self.keeper.wait(pid)
    }

    /// Tells the daemon to end and waits until it has.
    ///
    /// # Panics
    /// When it does not end well. The stock daemon is let off what it was seen to do when it is told
    /// while its threads still look at the host's devices: wait 30 seconds for them, log "Make
    /// forcefull daemon shutdown" and exit with 1.
    #[track_caller]
    pub fn stop_daemon(&mut self, signal: Signal) {
        let end = self.end_daemon(signal);
        let log = self.log();
        let forced = self.target == Target::Stock && log.contains("Make forcefull");
        assert!(end == "exit 0" || forced, "{end}: {log}");
    }

    /// Stops the daemon as an administrator would, and starts it again.
    pub fn restart_daemon(&mut self) {
        self.end_daemon(Signal::SIGTERM);
        self.start_daemon();
    }

    /// What the daemon printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    /// A command whose libvirt clients reach this host's daemon and nothing of the machine's own.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env("LIBVIRT_DEFAULT_URI", self.uri())
            .env("HOME", self.path("home"))
            .env("LC_ALL", "C")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("VIRSH_DEFAULT_CONNECT_URI")
            .env_remove("VISUAL")
            .env_remove("EDITOR");
        command
    }

    /// Runs virsh.
    pub fn virsh(&self, words: &[&str]) -> Ran {
        run(self.command("virsh").args(words))
    }

    /// Runs a shell script in the work folder.
    pub fn shell(&self, script: &str) -> Ran {
        run(self.command("sh").arg("-c").arg(script))
    }

    /// Runs a Python program with the libvirt bindings of the distribution; `conn` is open.
    pub fn python(&self, program: &str) -> Ran {
        let opened = format!("import libvirt, os, sys, time\nconn = libvirt.open(None)\n{program}");
        run(self.command("/usr/bin/python3").arg("-c").arg(opened))
    }

    /// Runs a command in the host's network and mounts (as root; elsewhere there is only one).
    pub fn inside(&self, words: &[&str]) -> Ran {
        if !is_root() {
            return run(self.command(words[0]).args(&words[1..]));
        }
        let keeper = self.keeper.pid().to_string();
        run(self
            .command("nsenter")
            .args(["-t", &keeper, "-n", "-m", "--"])
            .args(words))
    }

    /// Writes a file in the work folder; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.work().join(name);
        fs::write(&path, text).expect("write into the work folder");
        path.to_string_lossy().into_owned()
    }

    /// Defines a guest.
    #[track_caller]
    pub fn define(&self, xml: &str) {
        let file = self.write("define.xml", xml);
        self.virsh(&["define", &file]).ok();
    }

    /// Creates a transient guest.
    #[track_caller]
    pub fn create(&self, xml: &str) {
        let file = self.write("create.xml", xml);
        self.virsh(&["create", &file]).ok();
    }

    /// The state of a guest as virsh prints it.
    pub fn state(&self, guest: &str) -> String {
        self.virsh(&["domstate", guest]).ok().trim().to_owned()
    }

    /// The process id of a running guest's QEMU, from its pid file.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn qemu_pid(&self, guest: &str) -> u32 {
        let path = self.path(&format!("run/libvirt/qemu/{guest}.pid"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.trim().parse().expect("a process id")
    }

    /// Every process below this host's keeper.
    pub fn processes(&self) -> Vec<u32> {
        let mut parents = std::collections::HashMap::new();
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
                continue;
            };
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // After the name in parentheses: state, parent.
            let mut rest = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            let state = rest.next();
            if let (Some(parent), true) = (rest.next(), state != Some("Z")) {
                parents.insert(pid, parent.parse::<u32>().unwrap_or_default());
            }
        }
        let mut found = vec![self.keeper.pid()];
        let mut next = 0;
        while let Some(&parent) = found.get(next) {
            found.extend(
                parents
                    .iter()
                    .filter(|(_, of)| **of == parent)
                    .map(|(pid, _)| *pid),
            );
            next += 1;
        }
        found.split_off(1)
    }

    /// The processes below this host's keeper whose program is QEMU.
    pub fn qemus(&self) -> Vec<u32> {
        self.processes()
            .into_iter()
            .filter(|pid| {
                fs::read_link(format!("/proc/{pid}/exe"))
                    .is_ok_and(|program| program.to_string_lossy().contains("qemu-system"))
            })
            .collect()
    }
}

/// A user's own daemon has other folders than the host's: links bring them together, so that a test
/// finds everything in the same place.
fn session_folders(root: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::symlink;
    for folder in ["etc/libvirt/qemu", "run/libvirt/qemu"] {
        fs::create_dir_all(root.join(folder))?;
    }
    for (to, link) in [
        ("etc", "config"),
        ("var/cache", "cache"),
        (".", "run/libvirt/qemu/run"),
        (".", "etc/libvirt/qemu/lib"),
        ("../../../etc/libvirt/qemu", "var/lib/libvirt/qemu"),
        ("../../cache/libvirt/qemu/log", "var/log/libvirt/qemu"),
    ] {
        symlink(to, root.join(link))?;
    }
    Ok(())
}

/// Sends a signal to a process.
///
/// # Panics
/// When there is no such process.
pub fn send(pid: u32, signal: Signal) {
    kill(
        Pid::from_raw(i32::try_from(pid).expect("a process id")),
        signal,
    )
    .expect("kill");
}

/// Whether a process exists and is no zombie.
pub fn process_runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
