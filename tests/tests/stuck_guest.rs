//! A QEMU that is stopped delays only calls about its own guest, and each of those ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use virt_tests::guest;
use virt_tests::host::{Host, process_runs, send};
use virt_tests::target::{Target, skipped};

/// A host with the running guests `stuck`, whose QEMU is stopped, and `well`. None for the stock
/// daemon, which waits for such a guest without end.
fn scene() -> Option<(Host, u32)> {
    let host = Host::start();
    if host.target == Target::Stock {
        skipped("the stock daemon waits for a stopped QEMU without end");
        return None;
    }
    for name in ["stuck", "well"] {
        host.define(&guest::firmware_only(name, ""));
        host.virsh(&["start", name]).ok();
    }
    let qemu = host.qemu_pid("stuck");
    send(qemu, Signal::SIGSTOP);
    Some((host, qemu))
}

const QUERY: &str = r#"{"execute":"query-status"}"#;

#[test]
fn others_are_served_while_a_call_about_it_waits() {
    let Some((host, qemu)) = scene() else { return };
    let (ended, end) = mpsc::channel();
    thread::scope(|threads| {
        let host = &host;
        threads.spawn(move || {
            let ran = host.virsh(&["qemu-monitor-command", "stuck", QUERY]);
            ended.send(ran).unwrap();
        });
        // Every one of these is answered before the call that waits has ended.
        for words in [
            &["list", "--all"][..],
            &["domstats", "well"],
            &["domstate", "stuck"],
            &["dominfo", "well"],
            &["dumpxml", "stuck"],
            &["suspend", "well"],
            &["resume", "well"],
            &["qemu-monitor-command", "well", QUERY],
            &["destroy", "well"],
            &["start", "well"],
        ] {
            host.virsh(words).ok();
        }
        let waits = end.recv_timeout(Duration::ZERO);
        assert_eq!(
            waits.map(|ran| ran.err).unwrap_err(),
            mpsc::RecvTimeoutError::Timeout,
            "the call about the stopped guest was to be waiting all the time"
        );

        let error = end.recv().unwrap().failed();
        assert!(error.contains("Timed out during operation"), "{error}");
    });

    send(qemu, Signal::SIGCONT);
    host.virsh(&["qemu-monitor-command", "stuck", QUERY]).ok();
    assert_eq!(host.state("stuck"), "running");
    host.virsh(&["suspend", "stuck"]).ok();
}

#[test]
fn bulk_statistics_leave_out_what_only_it_could_say() {
    let Some((host, _)) = scene() else { return };
    let all = host.virsh(&["domstats"]).ok();
    assert!(all.contains("Domain: 'well'"), "{all}");
    assert!(all.contains("Domain: 'stuck'"), "{all}");
}

#[test]
fn every_kind_of_call_about_it_ends() {
    let Some((host, _)) = scene() else { return };
    let image = host.work().join("saved");
    let image = image.to_string_lossy();
    let calls: [&[&str]; 4] = [
        &["suspend", "stuck"],
        &["shutdown", "stuck"],
        &["save", "stuck", &image],
        &["screenshot", "stuck"],
    ];
    thread::scope(|threads| {
        for words in calls {
            let host = &host;
            threads.spawn(move || host.virsh(words).failed());
        }
    });
    assert!(host.daemon_runs());
    assert!(
        !host.work().join("saved").exists(),
        "a save that failed leaves no file"
    );
}

#[test]
fn it_can_be_destroyed_while_a_call_waits() {
    let Some((host, qemu)) = scene() else { return };
    thread::scope(|threads| {
        let waiting = threads.spawn(|| host.virsh(&["qemu-monitor-command", "stuck", QUERY]));
        host.virsh(&["destroy", "stuck"]).ok();
        waiting.join().unwrap().failed();
    });
    assert!(!process_runs(qemu));
    assert_eq!(host.state("stuck"), "shut off");
    host.virsh(&["start", "stuck"]).ok();
}

#[test]
fn a_restart_of_the_daemon_does_not_wait_for_it() {
    let Some((mut host, qemu)) = scene() else {
        return;
    };
    host.end_daemon(Signal::SIGKILL);
    host.start_daemon();
    host.virsh(&["domstats", "well"]).ok();
    assert!(
        process_runs(qemu),
        "a guest that does not answer is not killed"
    );
    send(qemu, Signal::SIGCONT);
    virt_tests::host::eventually("the guest back under control", || {
        host.virsh(&["qemu-monitor-command", "stuck", QUERY]).code == 0
    });
}
