//! The daemon as a process: how it is started, told, and stopped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::sys::signal::Signal;
use virt_tests::guest;
use virt_tests::host::{Host, eventually, process_runs, send};
use virt_tests::target::{Target, skipped};

/// Plays systemd: makes the sockets named, and becomes the daemon with them.
const ACTIVATE: &str = r#"
import os, socket, sys
folder, daemon, program = sys.argv[1:4]
fd = 3
names = []
held = []
for suffix in "", "-ro", "-admin":
    # The folder's sockets are libvirt-sock and so on for libvirtd, virtqemud-sock for virtqemud.
    name = (daemon if daemon != "libvirtd" else "libvirt")
    path = f"{folder}/{name}{suffix}-sock" if suffix == "-admin" else f"{folder}/{name}-sock{suffix}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(100)
    held.append(listener)
    names.append(f"{daemon}{suffix}.socket")
# Out of the way first: the low numbers may be taken.
high = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(held)]
for i, number in enumerate(high):
    os.dup2(number, 3 + i, inheritable=True)
    os.close(number)
os.environ["LISTEN_FDS"] = str(len(high))
os.environ["LISTEN_FDNAMES"] = ":".join(names)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(program, sys.argv[3:])
"#;

fn daemon_name(host: &Host) -> &'static str {
    match host.target {
        Target::Ours => "virtqemud",
        Target::Stock => "libvirtd",
    }
}

#[test]
fn sockets_are_taken_over_from_systemd() {
    let mut host = Host::without_daemon();
    let folder = host.path("run/libvirt").to_string_lossy().into_owned();
    let name = daemon_name(&host);
    let pid = host.spawn_daemon_by(&["/usr/bin/python3", "-c", ACTIVATE, &folder, name], &[]);
    eventually("the sockets", || host.socket().exists());
    host.virsh(&["uri"]).ok();
    host.define(&guest::firmware_only("activated", ""));
    let read_only = format!("{}-ro", host.uri());
    let listed = host
        .virsh(&["-c", &read_only, "-r", "list", "--all", "--name"])
        .ok();
    assert_eq!(listed.trim(), "activated");
    assert!(process_runs(pid));
    // The sockets are systemd's: they stay when the daemon ends.
    host.stop_daemon(Signal::SIGTERM);
    assert!(host.socket().exists(), "the socket was systemd's to remove");
}

#[test]
fn sigterm_ends_it_and_guests_go_on() {
    let mut host = Host::start();
    host.create(&guest::firmware_only("survivor", ""));
    let qemu = host.qemu_pid("survivor");
    host.stop_daemon(Signal::SIGTERM);
    assert!(process_runs(qemu));
    assert!(
        UnixStream::connect(host.socket()).is_err(),
        "nobody listens"
    );
    host.start_daemon();
    assert_eq!(host.state("survivor"), "running");
    assert_eq!(host.qemu_pid("survivor"), qemu);
}

#[test]
fn sigint_ends_it_too() {
    let mut host = Host::start();
    host.stop_daemon(Signal::SIGINT);
}

#[test]
fn sighup_reads_definitions_and_configuration_again_and_disturbs_no_one() {
    let host = Host::start();
    host.create(&guest::firmware_only("calm", ""));
    let client = host.wire();
    // A definition that came by other means, as from a backup.
    let donor = Host::start();
    donor.define(&guest::firmware_only("late", ""));
    fs::create_dir_all(host.path("etc/libvirt/qemu")).unwrap();
    fs::copy(
        donor.path("etc/libvirt/qemu/late.xml"),
        host.path("etc/libvirt/qemu/late.xml"),
    )
    .unwrap();
    send(host.daemon_pid(), Signal::SIGHUP);
    eventually("the new definition", || {
        host.virsh(&["domuuid", "late"]).code == 0
    });
    assert_eq!(host.state("calm"), "running");
    assert!(host.daemon_runs());
    client.close().expect("the connection went on");
}

#[test]
fn an_idle_daemon_ends_after_its_time() {
    let mut host = Host::without_daemon();
    let pid = host.spawn_daemon(&["--timeout", "1"]);
    assert_eq!(host.keeper().wait(pid), "exit 0", "{}", host.log());
}

#[test]
fn a_daemon_with_a_client_or_a_running_guest_is_not_idle() {
    let mut host = Host::without_daemon();
    let pid = host.spawn_daemon(&["--timeout", "3"]);
    host.await_socket();
    let client = host.wire();
    host.create(&guest::firmware_only("busy", ""));
    // Nothing to wait for but time: nothing must happen in it.
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert!(
        process_runs(pid),
        "ended with a client and a guest:\n{}",
        host.log()
    );
    client.close().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert!(process_runs(pid), "ended with a guest:\n{}", host.log());
    host.virsh(&["destroy", "busy"]).ok();
    let ended = host.keeper().wait(pid);
    // The stock daemon tries half a minute to end itself well, and does not.
    assert!(
        ended == "exit 0" || host.target == Target::Stock,
        "{ended}:\n{}",
        host.log()
    );
}

#[test]
fn there_is_one_daemon_for_one_set_of_folders() {
    let mut host = Host::start();
    let first = host.daemon_pid();
    let second = host.spawn_daemon(&[]);
    let ended = host.keeper().wait(second);
    assert_ne!(ended, "exit 0");
    assert!(process_runs(first));
    host.virsh(&["uri"]).ok();
}

#[test]
fn what_is_wrong_in_a_configuration_file_is_named() {
    let cases = [
        (
            "daemon.conf",
            "# fine\nmax_cilents = 5\n",
            "max_cilents",
            2,
            true,
        ),
        (
            "daemon.conf",
            "max_clients = \"many\"\n",
            "max_clients",
            1,
            false,
        ),
        (
            "daemon.conf",
            "\n\nunix_sock_group\n",
            "unix_sock_group",
            3,
            false,
        ),
        (
            "qemu.conf",
            "vnc_lisen = \"0.0.0.0\"\n",
            "vnc_lisen",
            1,
            true,
        ),
        (
            "qemu.conf",
            "\nauto_start_delay = \"x\"\n",
            "auto_start_delay",
            2,
            false,
        ),
    ];
    for (file, text, key, line, unknown) in cases {
        let mut host = Host::without_daemon();
        if host.target == Target::Stock && (unknown || line == 3) {
            skipped(&format!(
                "the stock daemon passes over {text:?} or does not name it"
            ));
            continue;
        }
        let daemon = format!("{}.conf", daemon_name(&host));
        let name = if file == "daemon.conf" {
            daemon.as_str()
        } else {
            file
        };
        fs::write(host.path("etc/libvirt").join(name), text).unwrap();
        let pid = host.spawn_daemon(&[]);
        if host.target == Target::Stock {
            let _ = pid;
            eventually("a complaint", || host.log().contains(key));
            continue;
        }
        let ended = host.keeper().wait(pid);
        assert_ne!(ended, "exit 0", "{text:?} was accepted");
        let log = host.log();
        assert!(
            log.contains(key) && log.contains(&format!("{name}:{line}")),
            "{text:?} in {name}: {log}"
        );
    }
}

#[test]
fn a_configuration_file_given_must_exist() {
    let mut host = Host::without_daemon();
    let pid = host.spawn_daemon(&["--config", "/nonexistent/daemon.conf"]);
    assert_ne!(host.keeper().wait(pid), "exit 0");
    assert!(
        host.log().contains("/nonexistent/daemon.conf"),
        "{}",
        host.log()
    );
}

#[test]
fn it_says_its_version_and_its_options() {
    let program = Target::chosen().program();
    let said = |option: &str| {
        let output = Command::new(&program).arg(option).output().unwrap();
        assert!(output.status.success(), "{option}");
        // Some put their help on standard error.
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert!(
        said("--version")
            .chars()
            .any(|letter| letter.is_ascii_digit())
    );
    for option in ["--timeout", "--verbose"] {
        assert!(said("--help").contains(option), "{option}");
    }
}

#[test]
fn marked_guests_start_with_the_daemon() {
    let mut host = Host::start();
    for name in ["auto", "manual"] {
        host.define(&guest::firmware_only(name, ""));
    }
    host.virsh(&["autostart", "auto"]).ok();
    host.end_daemon(Signal::SIGTERM);
    // The host has booted: nothing of what a running host keeps is there.
    fs::remove_dir_all(host.path("run/libvirt/qemu")).unwrap();
    let _ = fs::remove_dir_all(host.path("run/libvirt/common"));
    for leftover in fs::read_dir(host.path("run/libvirt")).unwrap().flatten() {
        if leftover.path().is_file() {
            let _ = fs::remove_file(leftover.path());
        }
    }
    host.start_daemon();
    eventually("the marked guest", || host.state("auto") == "running");
    assert_eq!(host.state("manual"), "shut off");
}
