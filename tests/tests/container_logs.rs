//! What containers' controllers print and why containers end, through virtlogd and without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::host::{eventually, send};
use virt_tests::keeper::sibling;
use virt_tests::log_client::answers;
use virt_tests::logd;

/// Starts a virtlogd on the host of containers.
fn virtlogd(containers: &Containers) -> u32 {
    let words = logd::ours(&containers.host.root().to_string_lossy());
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let host = &containers.host;
    let pid = host.keeper().spawn(&words, &[], &host.path("logd.log"));
    let socket = host.path("run/libvirt/virtlogd-sock");
    eventually("virtlogd's socket", || answers(&socket));
    pid
}

fn log(containers: &Containers) -> String {
    fs::read_to_string(containers.host.path("var/log/libvirt/lxc/box.log")).unwrap()
}

/// What the controller's output goes to.
fn output(containers: &Containers) -> String {
    let controller = containers.controller("box");
    let link = fs::read_link(format!("/proc/{controller}/fd/2")).unwrap();
    link.to_string_lossy().into_owned()
}

#[test]
fn a_containers_log_is_virtlogds_where_there_is_one() {
    let Some(mut containers) = Containers::beyond_stock("is about our daemons") else {
        return;
    };
    containers.define(&containers.service("box"));
    containers.virsh(&["start", "box"]).ok();
    assert!(output(&containers).ends_with("/box.log"));
    containers.virsh(&["destroy", "box"]).ok();
    assert_eq!(log(&containers).matches("reason=destroyed").count(), 1);

    let pid = virtlogd(&containers);
    containers.virsh(&["start", "box"]).ok();
    assert!(output(&containers).starts_with("pipe:"));
    containers.end(Signal::SIGKILL);
    containers.again();
    containers.virsh(&["destroy", "box"]).ok();
    assert_eq!(log(&containers).matches("reason=destroyed").count(), 2);
    let program = sibling("virtlogd").to_string_lossy().into_owned();
    let root = containers.host.root().to_string_lossy().into_owned();
    let told = [program.as_str(), "tail", "--root", &root, "box"];
    let told = containers.host.inside(&told).ok();
    assert!(told.contains("reason=destroyed"), "{told}");

    // One that is killed takes no container along, and loses no word of the driver's.
    containers.virsh(&["start", "box"]).ok();
    send(pid, Signal::SIGKILL);
    containers.host.keeper().wait(pid);
    containers.virsh(&["suspend", "box"]).ok();
    containers.virsh(&["resume", "box"]).ok();
    containers.virsh(&["destroy", "box"]).ok();
    assert_eq!(log(&containers).matches("reason=destroyed").count(), 3);
    assert_eq!(containers.left(), Vec::<String>::new());
}

#[test]
fn why_a_start_failed_is_in_virtlogds_log() {
    let Some(containers) = Containers::beyond_stock("is about our daemons") else {
        return;
    };
    virtlogd(&containers);
    containers.define(&containers.xml("box", "<init>/bin/absent</init>", ""));
    let refused = containers.virsh(&["start", "box"]).failed();
    assert!(refused.contains("/bin/absent"), "{refused}");
    eventually("the controller's last words", || {
        log(&containers).contains("virtlxc-controller: cannot run init '/bin/absent'")
    });
}
