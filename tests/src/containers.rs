//! A host whose daemon of containers runs: our virtlxcd, or the stock libvirtd with its LXC driver.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::groups::let_go;
use crate::host::{Host, eventually, send};
use crate::keeper::sibling;
use crate::ran::{Ran, run};
use crate::target::{Target, have, is_root, skipped};

/// The stock driver, a module of libvirtd.
const STOCK_DRIVER: &str =
    "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_lxc.so";

const BUSYBOX: &str = "/bin/busybox";

/// Programs of the containers' root, all of them busybox.
const PROGRAMS: [&str; 16] = [
    "cat", "echo", "grep", "hostname", "id", "ip", "kill", "ln", "ls", "mkdir", "mount", "ping",
    "ps", "sh", "sleep", "touch",
];

/// A program that ends when it is asked to, and says what it is.
const SERVICE: &str =
    "#!/bin/sh\ntrap 'exit 0' TERM\necho started\nwhile :; do sleep 1 & wait; done\n";

/// The host with its daemon.
pub struct Containers {
    /// The host; its own daemon is not started with ours as the target.
    pub host: Host,
    /// What starts the daemon, such as nsenter(1); nothing: it itself.
    pub by: Vec<String>,
    pid: u32,
}

impl Drop for Containers {
    fn drop(&mut self) {
        // Those of a test that failed, whose daemon may be gone.
        let files = fs::read_dir(self.host.path("run/libvirt/lxc"));
        let files = files.into_iter().flatten().flatten();
        let pids = files.filter_map(|entry| {
            let path = entry.path();
            let is_pid = path.extension().is_some_and(|end| end == "pid");
            let text = is_pid.then(|| fs::read_to_string(&path).ok()).flatten()?;
            text.trim().parse().ok()
        });
        let pids: Vec<u32> = pids.collect();
        self.host.note_groups(&pids);
        pids.into_iter().for_each(let_go);
    }
}

impl Containers {
    /// The host, a root for containers in it, and the daemon; none where that can't be tried.
    pub fn start() -> Option<Self> {
        Self::of(Target::chosen())
    }

    /// The same for what the stock driver does differently, and `why` that is not done here as well.
    pub fn beyond_stock(why: &str) -> Option<Self> {
        if Target::chosen() == Target::Stock {
            skipped(why);
            return None;
        }
        Self::start()
    }

    /// The same of a target.
    pub fn of(target: Target) -> Option<Self> {
        if !is_root() {
            skipped("containers are root's alone");
            return None;
        }
        if !have(&[BUSYBOX]) || !has_namespaces() {
            return None;
        }
        let host = match target {
            Target::Ours => {
                build();
                Host::without_daemon()
            }
            Target::Stock => {
                if !have(&[STOCK_DRIVER]) {
                    return None;
                }
                let mut host = Host::of(Target::Stock);
                // The stock driver can't run containers where both versions of control groups are: it
                // wants to show a container the folder of the second, and can't make it.
                let unified = "/sys/fs/cgroup/unified";
                if Path::new(unified).exists() {
                    host.inside(&["umount", unified]).ok();
                }
                host.start_daemon();
                host
            }
        };
        let mut this = Self {
            host,
            by: Vec::new(),
            pid: 0,
        };
        this.make_root();
        this.spawn();
        Some(this)
    }

    fn make_root(&self) {
        let bin = self.root().join("bin");
        fs::create_dir_all(&bin).expect("mkdir");
        fs::copy(BUSYBOX, bin.join("busybox")).expect("busybox");
        for program in PROGRAMS {
            symlink("busybox", bin.join(program)).expect("a link");
        }
        let service = bin.join("service");
        fs::write(&service, SERVICE).expect("a script");
        let run = run(std::process::Command::new("chmod").arg("755").arg(&service));
        run.ok();
    }

    /// The containers' root.
    pub fn root(&self) -> PathBuf {
        self.host.path("containers")
    }

    /// Starts the daemon and waits until it answers.
    pub fn spawn(&mut self) {
        if self.host.target == Target::Stock {
            return;
        }
        self.pid = spawn_virtlxcd_by(&self.host, &self.by);
    }

    /// Sends the daemon a signal and waits for its end.
    pub fn end(&mut self, signal: Signal) {
        match self.host.target {
            Target::Stock => {
                self.host.end_daemon(signal);
            }
            Target::Ours => {
                send(self.pid, signal);
                self.host.keeper().wait(self.pid);
            }
        }
    }

    /// Starts the daemon again.
    pub fn again(&mut self) {
        match self.host.target {
            Target::Stock => self.host.start_daemon(),
            Target::Ours => self.spawn(),
        }
    }

    /// The daemon's number.
    pub fn daemon(&self) -> u32 {
        match self.host.target {
            Target::Ours => self.pid,
            Target::Stock => self.host.daemon_pid(),
        }
    }

    /// The socket of the daemon.
    pub fn socket(&self) -> PathBuf {
        match self.host.target {
            Target::Ours => our_socket(&self.host),
            Target::Stock => self.host.socket(),
        }
    }

    /// The URI of the daemon.
    pub fn uri(&self) -> String {
        format!("lxc:///system?socket={}", self.socket().display())
    }

    /// Runs virsh.
    pub fn virsh(&self, words: &[&str]) -> Ran {
        let mut command = self.host.command("virsh");
        run(command
            .env("LIBVIRT_DEFAULT_URI", self.uri())
            .arg("-q")
            .args(words))
    }

    /// Runs a Python program with the distribution's bindings; `conn` is open.
    pub fn python(&self, program: &str) -> Ran {
        let opened = format!("import libvirt, os, sys, time\nconn = libvirt.open(None)\n{program}");
        let mut command = self.host.command("/usr/bin/python3");
        run(command
            .env("LIBVIRT_DEFAULT_URI", self.uri())
            .arg("-c")
            .arg(opened))
    }

    /// Defines a container.
    pub fn define(&self, xml: &str) {
        let file = self.host.write("container.xml", xml);
        self.virsh(&["define", &file]).ok();
    }

    /// Its state in a word.
    pub fn state(&self, name: &str) -> String {
        self.virsh(&["domstate", name]).ok().trim().to_owned()
    }

    /// The definition of a container with that program, and with further devices.
    pub fn xml(&self, name: &str, init: &str, devices: &str) -> String {
        let root = self.root();
        format!(
            "<domain type='lxc'><name>{name}</name><memory unit='MiB'>64</memory>\
             <os><type>exe</type>{init}</os><devices>\
             <filesystem type='mount'><source dir='{}'/><target dir='/'/></filesystem>\
             <console type='pty'/>{devices}</devices></domain>",
            root.display()
        )
    }

    /// A container that runs until it is asked to end.
    pub fn service(&self, name: &str) -> String {
        self.xml(name, "<init>/bin/service</init>", "")
    }

    /// Its controller's number, which is its own.
    pub fn controller(&self, name: &str) -> u32 {
        let id = self.virsh(&["domid", name]).ok();
        id.trim().parse().expect("a number")
    }

    /// The numbers of a process's children.
    pub fn children(pid: u32) -> Vec<u32> {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = fs::read_to_string(path).unwrap_or_default();
        let children = text.split_whitespace();
        children
            .map(|child| child.parse().expect("a number"))
            .collect()
    }

    /// What of running containers is in the driver's folder. The stock driver leaves folders that were
    /// mounted and sockets.
    pub fn left(&self) -> Vec<String> {
        let stays = |name: &String| {
            let stock = [".dev", ".devpts", ".fuse", ".sock", "driver.pid"];
            name == "autostarted"
                || self.host.target == Target::Stock && stock.iter().any(|end| name.ends_with(end))
        };
        let folder = self.host.path("run/libvirt/lxc");
        let entries = fs::read_dir(folder).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !stays(name)).collect();
        names.sort();
        names
    }
}

/// The socket of our virtlxcd of a host.
pub fn our_socket(host: &Host) -> PathBuf {
    host.path("run/libvirt/virtlxcd-sock")
}

/// Starts our virtlxcd of a host, which was built, and waits until it answers. Gives its number.
pub fn spawn_virtlxcd(host: &Host) -> u32 {
    spawn_virtlxcd_by(host, &[])
}

/// The same by a program such as nsenter(1), whose words come first.
fn spawn_virtlxcd_by(host: &Host, by: &[String]) -> u32 {
    let program = sibling("virtlxcd").to_string_lossy().into_owned();
    let root = host.root().to_string_lossy().into_owned();
    let by = by.iter().map(String::as_str);
    let words: Vec<&str> = by.chain([program.as_str(), "--root", &root]).collect();
    let log = host.path("virtlxcd.log");
    let pid = host.keeper().spawn(&words, &[("LC_ALL", "C")], &log);
    let socket = our_socket(host);
    eventually("virtlxcd answers", || UnixStream::connect(&socket).is_ok());
    pid
}

/// Builds our virtlxcd, unless all is built already.
pub fn build() {
    if std::env::var_os("NEXTEST").is_some() {
        return;
    }
    let Some(cargo) = std::env::var_os("CARGO") else {
        return;
    };
    let built = std::process::Command::new(cargo)
        .args(["build", "-q", "-p", "virtlxcd"])
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "cargo build -p virtlxcd"
    );
}

/// Whether the kernel lets us make what a container takes.
fn has_namespaces() -> bool {
    let kinds = ["mnt", "pid", "ipc", "uts", "net", "user"];
    let there = kinds
        .iter()
        .all(|kind| Path::new("/proc/self/ns").join(kind).exists());
    if !there {
        skipped("the kernel has not all namespaces");
    }
    there
}
