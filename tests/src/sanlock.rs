//! sanlock's own daemon, for one host.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::host::{Host, eventually};
use crate::ran::Ran;
use crate::target::{Target, have, is_root, skipped};

/// The lock space of automatic leases.
pub const SPACE: &str = "__LIBVIRT__DISKS__";

/// Whether sanlock can be run here; why not is printed.
pub fn has_sanlock() -> bool {
    if !is_root() {
        skipped("needs root: a session can't reach sanlock");
        return false;
    }
    // Debian's daemon does without the library.
    have(&["/usr/sbin/sanlock", "/usr/share/doc/libsanlock-client1"])
}

/// A sanlock of the host's own, which asks no watchdog and gives up on storage after a second.
pub struct Sanlock {
    /// The host.
    pub host: Host,
    run: PathBuf,
    /// Folder of the automatic leases.
    pub folder: PathBuf,
}

impl Sanlock {
    /// Starts sanlock and the daemon of the host, with automatic leases in that folder.
    pub fn start(host: Host, host_id: u32, folder: &Path) -> Self {
        let run = host.path("run/sanlock");
        fs::create_dir_all(&run).expect("mkdir");
        fs::create_dir_all(folder).expect("mkdir");
        let mut this = Self {
            host,
            run,
            folder: folder.to_owned(),
        };
        let environment = [
            (
                "SANLOCK_RUN_DIR",
                this.run.to_str().expect("a path in UTF-8"),
            ),
            // No limits are raised and no priority: not every machine lets it.
            ("SANLOCK_PRIVILEGED", "0"),
        ];
        // No watchdog, no locked memory, no logs but the one here.
        let words = ["/usr/sbin/sanlock", "daemon", "-D"];
        let quiet = ["-w", "0", "-h", "0", "-l", "0", "-L", "-1", "-S", "-1"];
        let words = [&words[..], &quiet].concat();
        let log = this.host.path("sanlock.log");
        this.host.keeper().spawn(&words, &environment, &log);
        eventually("sanlock", || this.client(&["status"]).code == 0);
        let etc = this.host.path("etc/libvirt");
        let qemu = etc.join("qemu.conf");
        let text = fs::read_to_string(&qemu).expect("qemu.conf");
        fs::write(&qemu, text + "lock_manager = \"sanlock\"\n").expect("qemu.conf");
        let mut conf = format!("auto_disk_leases = 1\nhost_id = {host_id}\nio_timeout = 1\n");
        if this.host.target == Target::Stock {
            conf += &format!("disk_lease_dir = \"{}\"\n", folder.display());
        }
        fs::write(etc.join("qemu-sanlock.conf"), conf).expect("qemu-sanlock.conf");
        this.start_daemon();
        this
    }

    /// Starts the host's daemon (again), with this sanlock, and waits until it answers and is in the
    /// lock space.
    pub fn start_daemon(&mut self) {
        crate::target::build_ours();
        let run = format!("SANLOCK_RUN_DIR={}", self.run.display());
        self.host.spawn_daemon_by(&["/usr/bin/env", &run], &[]);
        self.host.await_socket();
        eventually("the lock space", || {
            self.status().contains(&format!("s {SPACE}:"))
        });
    }

    /// `sanlock client` with those words.
    pub fn client(&self, words: &[&str]) -> Ran {
        let mut command = self.host.command("/usr/sbin/sanlock");
        command.arg("client").args(words);
        command.env("SANLOCK_RUN_DIR", &self.run);
        crate::ran::run(&mut command)
    }

    /// What sanlock tells of processes and leases.
    pub fn status(&self) -> String {
        self.client(&["status"]).out
    }

    /// How many leases the guest holds.
    pub fn held(&self, guest: &str) -> usize {
        let end = format!(" p {}", self.host.qemu_pid(guest));
        let status = self.status();
        let leases = status.lines().filter(|line| line.starts_with("r "));
        leases.filter(|line| line.ends_with(&end)).count()
    }

    /// A lease that guests may name, in the lock space of the automatic ones: its element.
    pub fn lease(&self, key: &str) -> String {
        let path = self.folder.join(key);
        if !path.exists() {
            fs::write(&path, vec![0; 1 << 20]).expect("lease");
            let lease = format!("{SPACE}:{key}:{}:0", path.display());
            self.client(&["init", "-r", &lease]).ok();
        }
        format!(
            "<lease><lockspace>{SPACE}</lockspace><key>{key}</key><target path='{}'/></lease>",
            path.display()
        )
    }

    /// Makes the storage forget that this host is in the lock space.
    pub fn lose_lockspace(&self, host_id: usize) {
        use std::os::unix::fs::FileExt;
        let file = fs::File::options()
            .write(true)
            .open(self.folder.join(SPACE));
        let offset = (host_id as u64 - 1) * 512;
        let file = file.expect("lock space");
        file.write_all_at(&[0; 512], offset).expect("write");
    }

    /// Kills the host's daemon.
    pub fn kill_daemon(&mut self) {
        self.host.end_daemon(Signal::SIGKILL);
    }
}
