//! A host with our virtlockd, and the image that two guests want.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;

use crate::guest;
use crate::host::{Host, eventually, send};
use crate::keeper::sibling;
use crate::lock_client::Client;
use crate::target::{Target, build_ours, is_root, skipped};

/// A host with a virtlockd that answers.
pub struct Lockd {
    /// The host.
    pub host: Host,
    /// Its virtlockd's process.
    pub pid: u32,
    /// The program that [`Lockd::spawn`] starts.
    pub program: PathBuf,
}

impl Lockd {
    /// Starts ours on the host.
    pub fn start(host: Host) -> Self {
        build_ours();
        let program = sibling("virtlockd");
        let mut this = Self {
            host,
            pid: 0,
            program,
        };
        this.spawn();
        this
    }

    /// Starts it (again) and waits until it answers.
    pub fn spawn(&mut self) {
        self.spawn_with(&[], &[]);
    }

    /// The same by a program that becomes it, `before` being its command line up to the daemon's, and
    /// with variables in its environment.
    pub fn spawn_with(&mut self, before: &[&str], env: &[(&str, &str)]) {
        let program = self.program.to_string_lossy().into_owned();
        let root = self.host.root().to_string_lossy().into_owned();
        let mut words = before.to_vec();
        words.extend([program.as_str(), "--root", &root, "--verbose"]);
        if !is_root() {
            words.push("--session");
        }
        let log = self.host.path("lockd.log");
        self.pid = self.host.keeper().spawn(&words, env, &log);
        let socket = self.socket();
        eventually("virtlockd's socket", || {
            UnixStream::connect(&socket).is_ok()
        });
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.host.path("run/libvirt/virtlockd-sock")
    }

    /// Sends it a signal and waits for its end: `exit CODE` or `signal NUMBER`.
    pub fn end(&self, signal: Signal) -> String {
        send(self.pid, signal);
        self.host.keeper().wait(self.pid)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.host.path("lockd.log")).unwrap_or_default()
    }

    /// Has the program replace itself, and waits until the new one runs.
    pub fn replace(&self) {
        let before = self.incarnation();
        send(self.pid, Signal::SIGUSR1);
        eventually("the new program", || {
            let now = self.incarnation();
            !now.is_empty() && now != before
        });
    }

    /// What differs from one program of the process to the next: where the kernel put its stack.
    fn incarnation(&self) -> Vec<u8> {
        fs::read(format!("/proc/{}/auxv", self.pid)).unwrap_or_default()
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.pid);
        fs::read_dir(folder).expect("its descriptors").count()
    }

    /// How many children it has, ended ones included.
    pub fn children(&self) -> usize {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().count()
    }

    /// A connection for a guest whose process that is.
    pub fn client(&self, name: &str, pid: u32) -> Client {
        Client::connect(&self.socket(), name, pid)
    }

    /// What `virtlockd leases --json` says.
    pub fn leases(&self) -> String {
        let program = sibling("virtlockd").to_string_lossy().into_owned();
        let root = self.host.root().to_string_lossy().into_owned();
        let mut command = self.host.command(&program);
        command.args(["leases", "--json", "--root", &root]);
        crate::ran::run(&mut command).ok()
    }

    /// Whether the guest of that name holds anything.
    pub fn holds(&self, name: &str) -> bool {
        self.leases().contains(&format!("\"owner\": \"{name}\""))
    }
}

/// A host of ours whose guests take leases from virtlockd, which is configured by `lockd`
/// (`qemu-lockd.conf`). Nothing, told loudly, where that can't be.
pub fn host_with_locks(lockd: &str) -> Option<Host> {
    if Target::chosen() == Target::Stock {
        skipped("is about our virtlockd");
        return None;
    }
    if !is_root() {
        skipped("needs root: a session has no virtlockd");
        return None;
    }
    let host = Host::of(Target::Ours);
    lock_by_lockd(&host, lockd);
    Some(host)
}

/// Has the host's guests take leases from virtlockd.
pub fn lock_by_lockd(host: &Host, lockd: &str) {
    let conf = host.path("etc/libvirt/qemu.conf");
    let text = fs::read_to_string(&conf).unwrap_or_default();
    fs::write(&conf, text + "lock_manager = \"lockd\"\n").expect("qemu.conf");
    fs::write(host.path("etc/libvirt/qemu-lockd.conf"), lockd).expect("qemu-lockd.conf");
}

/// Takes the lock of a file as libvirt does, for as long as the result is open; nothing when someone
/// has it.
pub fn lock(path: &Path) -> Option<fs::File> {
    let file = fs::File::options().read(true).write(true).open(path).ok()?;
    let lock = byte_zero();
    fcntl(&file, FcntlArg::F_SETLK(&lock)).ok()?;
    Some(file)
}

/// Whether anyone has the lock, without trying to take it.
pub fn is_held(path: &Path) -> bool {
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut lock = byte_zero();
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).unwrap();
    i32::from(lock.l_type) != nix::libc::F_UNLCK
}

fn byte_zero() -> nix::libc::flock {
    nix::libc::flock {
        l_type: nix::libc::F_WRLCK as i16,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    }
}

/// Whether anyone has the lock, as libvirt would find out.
pub fn is_locked(path: &Path) -> bool {
    path.exists() && lock(path).is_none()
}

/// An image of zeros below the host's folder.
pub fn image(host: &Host, name: &str) -> PathBuf {
    let path = host.path(name);
    fs::write(&path, vec![0; 1 << 20]).unwrap();
    path
}

/// A guest with that image as its disk.
pub fn guest_with(name: &str, image: &Path) -> String {
    let disk = format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='vda' bus='virtio'/></disk>",
        image.display()
    );
    guest::firmware_only(name, &disk)
}
