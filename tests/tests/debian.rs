//! A whole Debian in a container: its systemd is the init, manages its own groups, is entered, boots again,
//! shuts down when it is asked to, and leaves nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::host::eventually;
use virt_tests::ran::run;
use virt_tests::target::{have, skipped};

/// What makes a Debian (mmdebstrap(1)).
const MAKER: &str = "/usr/bin/mmdebstrap";

/// A Debian with its systemd, made of the host's package sources once; none where that can't be.
fn debian() -> Option<PathBuf> {
    if !have(&[MAKER]) {
        return None;
    }
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
    if made.exists() {
        return Some(made);
    }
    let making = made.with_extension(std::process::id().to_string());
    let mut maker = Command::new(MAKER);
    maker.args([
        "--quiet",
        "--variant=minbase",
        "--include=systemd-sysv,dbus",
        "bookworm",
    ]);
    // How long that takes is the package sources' to say.
    if !maker.arg(&making).status().expect("it runs").success() {
        let _ = fs::remove_dir_all(&making);
        skipped("mmdebstrap can't make a Debian here (no package sources?)");
        return None;
    }
    fs::rename(&making, &made).expect("rename");
    Some(made)
}

fn inside(containers: &Containers, command: &str) -> String {
    let words = ["lxc-enter-namespace", "debian", "--noseclabel", "--"];
    let words: Vec<&str> = words
        .into_iter()
        .chain(["/bin/sh", "-c", command])
        .collect();
    containers.virsh(&words).out
}

#[test]
fn a_debian_boots_its_systemd_and_shuts_down() {
    let Some(mut containers) = Containers::start() else {
        return;
    };
    let Some(debian) = debian() else { return };
    let root = containers.host.path("debian");
    run(Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .arg(debian)
        .arg(&root))
    .ok();
    let xml = containers.xml("debian", "<init>/sbin/init</init>", "");
    let own = containers.root();
    let xml = xml.replace(own.to_str().unwrap(), root.to_str().unwrap());
    containers.define(&xml);
    containers.virsh(&["start", "debian"]).ok();
    let is_up = || inside(&containers, "systemctl is-system-running") == "running\n";
    eventually("systemd to have started all", is_up);
    // Its units have groups below the container's own, which is the topmost that it sees.
    let groups = inside(
        &containers,
        "ls -d /sys/fs/cgroup/*.slice; ls /sys/fs/cgroup/init.scope/cgroup.procs",
    );
    assert!(
        groups.contains("system.slice") && groups.contains("cgroup.procs"),
        "{groups}"
    );
    let login = containers.python(
        "stream = conn.newStream(0)\nconn.lookupByName('debian').openConsole(None, stream, 0)\n\
         stream.send(b'\\n')\nheard = b''\nwhile b'login:' not in heard: heard += stream.recv(4096)\n",
    );
    login.ok();

    let before = Containers::children(containers.controller("debian"));
    containers.virsh(&["reboot", "debian"]).ok();
    eventually("another init", || {
        let controller = containers.virsh(&["domid", "debian"]).out;
        let init = controller.trim().parse().map(Containers::children);
        init.is_ok_and(|init| !init.is_empty() && init != before) && is_up()
    });
    containers.end(Signal::SIGKILL);
    containers.again();
    containers.virsh(&["shutdown", "debian"]).ok();
    eventually("the shutdown", || containers.state("debian") == "shut off");
    assert_eq!(containers.left(), Vec::<String>::new());
}
