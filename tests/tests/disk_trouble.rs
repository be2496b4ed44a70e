//! No space left, or nothing may be written: an error that names the file, and all as before.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;

use virt_tests::guest;
use virt_tests::host::Host;
use virt_tests::target::{Target, is_root, skipped};

/// A host whose definitions are on a small file system of their own, and the daemon's view of the
/// folder; none where mounts are not ours to make.
fn small(options: &str) -> Option<(Host, String)> {
    if !is_root() {
        skipped("only root mounts");
        return None;
    }
    let mut host = Host::without_daemon();
    let own = host.path("etc/libvirt/qemu");
    fs::create_dir_all(&own).unwrap();
    let seen = match host.target {
        Target::Ours => own.to_string_lossy().into_owned(),
        Target::Stock => "/etc/libvirt/qemu".to_owned(),
    };
    host.inside(&["mount", "-t", "tmpfs", "-o", options, "small", &seen])
        .ok();
    host.start_daemon();
    Some((host, seen))
}

fn files(host: &Host, folder: &str) -> Vec<String> {
    let listed = host.inside(&["find", folder, "-type", "f"]).ok();
    let mut files: Vec<String> = listed.lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn a_full_disk_keeps_what_was_there() {
    let Some((host, folder)) = small("size=64k") else {
        return;
    };
    host.define(&guest::firmware_only("old", ""));
    let old = host.virsh(&["dumpxml", "old"]).ok();
    let fill = format!("{folder}/fill");
    host.inside(&[
        "sh",
        "-c",
        &format!("cat /dev/zero >{fill} 2>/dev/null; true"),
    ])
    .ok();
    let before = files(&host, &folder);

    let new = host.write("new.xml", &guest::firmware_only("new", ""));
    let error = host.virsh(&["define", &new]).failed();
    assert!(
        error.contains("No space left on device") && error.contains("new"),
        "{error}"
    );
    assert_eq!(host.virsh(&["list", "--all", "--name"]).ok().trim(), "old");

    // The old definition is replaced as a whole or not at all.
    let changed = host.write(
        "old.xml",
        &old.replace("<vcpu placement='static'>1<", "<vcpu placement='static'>2<"),
    );
    host.virsh(&["define", &changed]).failed();
    assert_eq!(host.virsh(&["dumpxml", "old"]).ok(), old);
    assert_eq!(
        files(&host, &folder),
        before,
        "nothing half written is left"
    );

    host.inside(&["rm", &fill]).ok();
    host.virsh(&["define", &new]).ok();
    host.virsh(&["define", &changed]).ok();
    assert!(host.virsh(&["dumpxml", "old"]).ok().contains("'static'>2<"));
}

#[test]
fn a_read_only_folder_changes_nothing() {
    let Some((host, folder)) = small("size=1m") else {
        return;
    };
    host.define(&guest::firmware_only("old", ""));
    let before = files(&host, &folder);
    host.inside(&["mount", "-o", "remount,ro", &folder]).ok();

    let new = host.write("new.xml", &guest::firmware_only("new", ""));
    let error = host.virsh(&["define", &new]).failed();
    assert!(
        error.contains("Read-only file system") && error.contains("new"),
        "{error}"
    );
    let error = host.virsh(&["undefine", "old"]).failed();
    assert!(error.contains("Read-only file system"), "{error}");
    // The stock daemon claims success.
    if host.target == Target::Ours {
        let error = host.virsh(&["autostart", "old"]).failed();
        assert!(error.contains("Read-only file system"), "{error}");
        let info = host.virsh(&["dominfo", "old"]).ok();
        assert!(info.contains("Autostart:      disable"), "{info}");
    }
    assert_eq!(host.virsh(&["list", "--all", "--name"]).ok().trim(), "old");
    assert_eq!(files(&host, &folder), before);
    // What needs no definition written goes on.
    host.virsh(&["start", "old"]).ok();
    host.virsh(&["destroy", "old"]).ok();
}

#[test]
fn no_space_for_the_state_of_a_running_guest() {
    if !is_root() {
        skipped("only root mounts");
        return;
    }
    let mut host = Host::without_daemon();
    let own = host.path("run/libvirt/qemu");
    fs::create_dir_all(&own).unwrap();
    let seen = match host.target {
        Target::Ours => own.to_string_lossy().into_owned(),
        Target::Stock => "/run/libvirt/qemu".to_owned(),
    };
    host.inside(&[
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=256k,mode=755",
        "small",
        &seen,
    ])
    .ok();
    host.start_daemon();
    host.define(&guest::firmware_only("starved", ""));
    host.inside(&[
        "sh",
        "-c",
        &format!("cat /dev/zero >{seen}/fill 2>/dev/null; true"),
    ])
    .ok();
    let before = files(&host, &seen);
    let error = host.virsh(&["start", "starved"]).failed();
    // The stock daemon's child dies of it without a word.
    assert!(
        error.contains("No space left on device") || host.target == Target::Stock,
        "{error}"
    );
    assert_eq!(host.state("starved"), "shut off");
    assert_eq!(files(&host, &seen), before);
    virt_tests::host::eventually("no QEMU left", || host.qemus().is_empty());
    host.inside(&["rm", &format!("{seen}/fill")]).ok();
    host.virsh(&["start", "starved"]).ok();
}

#[test]
fn an_image_that_does_not_fit_leaves_the_guest_running() {
    if !is_root() {
        skipped("only root mounts");
        return;
    }
    let host = Host::start();
    host.create(&guest::firmware_only("big", ""));
    let folder = host.path("tight");
    fs::create_dir(&folder).unwrap();
    let folder = folder.to_string_lossy();
    host.inside(&["mount", "-t", "tmpfs", "-o", "size=64k", "tight", &folder])
        .ok();
    let image = format!("{folder}/image");
    host.virsh(&["save", "big", &image]).failed();
    assert_eq!(host.state("big"), "running");
    assert_eq!(
        files(&host, &folder),
        [""; 0],
        "a save that failed leaves no file"
    );
}
