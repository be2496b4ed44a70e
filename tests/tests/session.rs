//! `qemu:///session`: any user's own daemon, started by the client itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use virt_tests::guest;
use virt_tests::host::{Host, eventually, process_runs};
use virt_tests::target::{Target, is_root, skipped};

/// A user's home and runtime folder, and how to run a program as that user.
struct User {
    host: Host,
    home: PathBuf,
    runtime: PathBuf,
    uid: u32,
}

impl User {
    /// Nobody when the tests run as root, the caller otherwise.
    fn new() -> Self {
        let host = Host::without_daemon();
        let uid = if is_root() {
            65_534
        } else {
            nix::unistd::geteuid().as_raw()
        };
        let home = host.path("user");
        let runtime = host.path("user/run");
        let programs = host.path("bin");
        fs::create_dir_all(&runtime).unwrap();
        fs::create_dir(&programs).unwrap();
        if host.target == Target::Ours {
            // Where the workspace lies others may not look.
            let program = programs.join("virtqemud");
            fs::copy(host.target.program(), &program).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        } else {
            std::os::unix::fs::symlink("/usr/sbin/libvirtd", programs.join("libvirtd")).unwrap();
        }
        for folder in [&home, &runtime] {
            chown(folder, Some(uid), Some(uid)).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        }
        User {
            host,
            home,
            runtime,
            uid,
        }
    }

    fn uri(&self) -> &'static str {
        match self.host.target {
            // A client of a distribution with the monolithic daemon looks for that one otherwise.
            Target::Ours => "qemu:///session?mode=direct",
            Target::Stock => "qemu:///session?mode=legacy",
        }
    }

    fn socket(&self) -> PathBuf {
        self.runtime.join("libvirt").join(self.host.target.socket())
    }

    /// Runs a shell script as the user, below the keeper, so that what it starts ends with the
    /// test: what it printed, and how it ended.
    fn shell(&self, script: &str) -> (String, String) {
        let uid = self.uid.to_string();
        let log = self.host.path("user.log");
        let _ = fs::remove_file(&log);
        let mut words = vec!["sh", "-c", script];
        let (reuid, regid) = (format!("--reuid={uid}"), format!("--regid={uid}"));
        if is_root() {
            words.splice(0..0, ["setpriv", &reuid, &regid, "--clear-groups", "--"]);
        }
        let home = self.home.to_string_lossy();
        let runtime = self.runtime.to_string_lossy();
        let programs = self.host.path("bin");
        let programs = programs.to_string_lossy();
        let pid = self.host.keeper().spawn(
            &words,
            &[
                ("HOME", &home),
                ("XDG_RUNTIME_DIR", &runtime),
                ("VIRTD_PATH", &programs),
                ("LIBVIRTD_PATH", &programs),
                ("LIBVIRT_DEFAULT_URI", self.uri()),
                ("LC_ALL", "C"),
            ],
            &log,
        );
        let ended = self.host.keeper().wait(pid);
        (fs::read_to_string(log).unwrap_or_default(), ended)
    }

    #[track_caller]
    fn ok(&self, script: &str) -> String {
        let (said, ended) = self.shell(script);
        assert_eq!(ended, "exit 0", "{script}: {said}");
        said
    }
}

#[test]
fn the_client_starts_the_daemon() {
    let user = User::new();
    assert!(!user.socket().exists());
    let said = user.ok("virsh uri && virsh version && virsh list --all");
    assert!(said.contains("qemu:///session"), "{said}");
    assert!(user.socket().exists());
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        mode(user.socket()) & 0o077,
        0,
        "others stay out of the socket"
    );
    assert_eq!(
        mode(user.runtime.join("libvirt")) & 0o077,
        0,
        "and of its folder"
    );
    // The second client meets the first one's daemon.
    let daemons = || user.host.processes().len();
    let before = daemons();
    user.ok("virsh uri");
    assert_eq!(daemons(), before);
}

#[test]
fn many_clients_at_once_start_one_daemon() {
    let user = User::new();
    user.ok("for i in 1 2 3 4 5 6 7 8; do virsh uri >$XDG_RUNTIME_DIR/said.$i 2>&1 & done; wait; \
             for i in 1 2 3 4 5 6 7 8; do grep -q qemu:///session $XDG_RUNTIME_DIR/said.$i || { cat $XDG_RUNTIME_DIR/said.$i; exit 1; }; done");
    let daemon = match user.host.target {
        Target::Ours => "virtqemud",
        Target::Stock => "libvirtd",
    };
    let named = user
        .host
        .processes()
        .into_iter()
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == daemon)
        })
        .count();
    assert_eq!(named, 1);
}

#[test]
fn a_user_runs_a_guest() {
    let user = User::new();
    let xml = guest::firmware_only("mine", "<interface type='user'/><serial type='pty'/>");
    let file = user.host.path("user/mine.xml");
    fs::write(&file, xml).unwrap();
    chown(&file, Some(user.uid), None).unwrap();
    user.ok("virsh define ~/mine.xml && virsh start mine && virsh domstate mine --reason");
    assert!(user.home.join(".config/libvirt/qemu/mine.xml").exists());
    // Its QEMU is the user's.
    let qemu = user.host.qemus();
    assert_eq!(qemu.len(), 1);
    let owner =
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{}", qemu[0])).unwrap());
    assert_eq!(owner, user.uid);
    let said = user.ok("virsh domstats mine --state && virsh qemu-monitor-command mine --hmp 'info status' && virsh screenshot mine ~/x.ppm 2>&1; virsh destroy mine && virsh undefine mine");
    assert!(
        said.contains("state.state=1") && said.contains("VM status: running"),
        "{said}"
    );
    eventually("its QEMU gone", || !process_runs(qemu[0]));
    assert_eq!(user.ok("virsh list --all --name").trim(), "");
}

#[test]
fn a_user_is_kept_out_of_the_system_daemon() {
    let mut user = User::new();
    if !is_root() {
        skipped("only root starts a system daemon");
        return;
    }
    user.host.start_daemon();
    let socket = user.host.socket();
    let (said, ended) = user.shell(&format!(
        "virsh -c 'qemu:///system?socket={}' list",
        socket.display()
    ));
    assert_eq!(ended, "exit 1", "{said}");
    assert!(said.contains("error: "), "{said}");
    // The one who was refused costs the others nothing.
    user.host.virsh(&["list"]).ok();
}

#[test]
fn the_system_is_not_a_session() {
    let user = User::new();
    // The user's own daemon does not serve the system's URI.
    user.ok("virsh uri");
    let (said, ended) = user.shell(&format!(
        "virsh -c 'qemu:///system?socket={}' list",
        user.socket().display()
    ));
    assert_eq!(ended, "exit 1", "{said}");
    assert!(
        said.contains("qemu:///session"),
        "names what to use instead: {said}"
    );
}
