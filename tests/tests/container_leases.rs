//! No container writes a disk that another container or a virtual machine has: leases of virtlockd, held
//! until a container ends, whoever dies meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use virt_tests::containers::Containers;
use virt_tests::host::{eventually, send};
use virt_tests::keeper::sibling;
use virt_tests::lockd::{guest_with, image, is_locked, lock_by_lockd};
use virt_tests::log_client::answers;
use virt_tests::target::build_ours;

/// The host, whose daemon of containers asks virtlockd.
fn locked() -> Option<Containers> {
    let mut containers = Containers::beyond_stock("the stock driver has no lock manager")?;
    containers.end(Signal::SIGTERM);
    let conf = containers.host.path("etc/libvirt/lxc.conf");
    fs::write(conf, "lock_manager = \"lockd\"\n").unwrap();
    containers.again();
    Some(containers)
}

fn virtlockd(containers: &Containers) -> u32 {
    build_ours();
    let program = sibling("virtlockd").to_string_lossy().into_owned();
    let root = containers.host.root().to_string_lossy().into_owned();
    let host = &containers.host;
    let words = [program.as_str(), "--root", &root];
    let pid = host.keeper().spawn(&words, &[], &host.path("lockd.log"));
    let socket = host.path("run/libvirt/virtlockd-sock");
    eventually("virtlockd's socket", || answers(&socket));
    pid
}

fn disk(image: &Path) -> String {
    format!(
        "<disk type='file'><source file='{}'/><target dev='vda'/></disk>",
        image.display()
    )
}

fn define(containers: &Containers, name: &str, devices: &str) {
    containers.define(&containers.xml(name, "<init>/bin/service</init>", devices));
}

#[test]
fn a_disk_is_one_guests_until_it_ends() {
    let Some(containers) = locked() else { return };
    let image = image(&containers.host, "disk.img");
    define(&containers, "one", &disk(&image));
    define(&containers, "two", &disk(&image));
    let away = containers.virsh(&["start", "one"]).failed();
    assert!(away.contains("virtlockd-sock"), "{away}");
    assert_eq!(containers.left(), Vec::<String>::new());

    virtlockd(&containers);
    containers.virsh(&["start", "one"]).ok();
    assert!(is_locked(&image));
    let refused = containers.virsh(&["start", "two"]).failed();
    assert!(refused.contains("one"), "{refused}");
    // What it has mounted the kernel may write also while it stands.
    containers.virsh(&["suspend", "one"]).ok();
    containers.virsh(&["start", "two"]).failed();
    assert_eq!(containers.state("two"), "shut off");

    let mut containers = containers;
    lock_by_lockd(&containers.host, "");
    containers.host.start_daemon();
    let machine = containers
        .host
        .write("machine.xml", &guest_with("machine", &image));
    let refused = containers.host.virsh(&["create", &machine]).failed();
    assert!(refused.contains("one"), "{refused}");

    containers.virsh(&["destroy", "one"]).ok();
    eventually("the lease to be free", || !is_locked(&image));
    containers.virsh(&["start", "two"]).ok();
    containers.virsh(&["destroy", "two"]).ok();
    assert_eq!(containers.left(), Vec::<String>::new());
}

#[test]
fn what_comes_is_held_and_what_goes_given_back() {
    let Some(containers) = locked() else { return };
    virtlockd(&containers);
    let image = image(&containers.host, "disk.img");
    define(&containers, "one", "");
    define(&containers, "two", &disk(&image));
    containers.virsh(&["start", "one"]).ok();
    containers.virsh(&["start", "two"]).ok();
    let file = containers.host.write("disk.xml", &disk(&image));
    let refused = containers.virsh(&["attach-device", "one", &file]).failed();
    assert!(refused.contains("two"), "{refused}");
    containers.virsh(&["detach-device", "two", &file]).ok();
    assert!(!is_locked(&image));
    containers.virsh(&["attach-device", "one", &file]).ok();
    assert!(is_locked(&image));
    containers.virsh(&["destroy", "one"]).ok();
    containers.virsh(&["destroy", "two"]).ok();
    eventually("the lease to be free", || !is_locked(&image));
}

#[test]
fn no_lease_is_lost_with_a_daemon_and_none_stays_without_its_container() {
    let Some(mut containers) = locked() else {
        return;
    };
    let pid = virtlockd(&containers);
    let image = image(&containers.host, "disk.img");
    define(&containers, "one", &disk(&image));
    define(&containers, "two", &disk(&image));
    containers.virsh(&["start", "one"]).ok();
    containers.end(Signal::SIGKILL);
    send(pid, Signal::SIGKILL);
    containers.host.keeper().wait(pid);
    assert!(is_locked(&image));
    virtlockd(&containers);
    containers.again();
    assert_eq!(containers.state("one"), "running");
    let refused = containers.virsh(&["start", "two"]).failed();
    assert!(refused.contains("one"), "{refused}");
    send(containers.controller("one"), Signal::SIGKILL);
    eventually("the lease to be free", || !is_locked(&image));
    eventually("its end to be noticed", || {
        containers.state("one") == "shut off"
    });
    containers.virsh(&["start", "two"]).ok();
    containers.virsh(&["destroy", "two"]).ok();
    assert_eq!(containers.left(), Vec::<String>::new());
}
