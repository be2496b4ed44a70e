//! sanlock keeps guests apart: on one host, between two hosts that share a folder, and when a host
//! loses its storage. With sanlock's own daemon, and with libvirt's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::path::{Path, PathBuf};

use virt_tests::guest;
use virt_tests::host::{Host, eventually};
use virt_tests::lockd::{guest_with, image};
use virt_tests::sanlock::{Sanlock, has_sanlock};
use virt_tests::target::{Target, have, skipped};

/// Ours, with sanlock.
fn ours() -> Option<Sanlock> {
    if Target::chosen() == Target::Stock {
        skipped("is about our daemon");
        return None;
    }
    if !has_sanlock() {
        return None;
    }
    let host = Host::of(Target::Ours);
    let folder = host.path("var/lib/libvirt/sanlock");
    Some(Sanlock::start(host, 1, &folder))
}

fn disk(image: &Path, more: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='vda' bus='virtio'/>{more}</disk>",
        image.display()
    )
}

fn with_policy(guest: &str, action: &str) -> String {
    let element = format!("<on_lockfailure>{action}</on_lockfailure><devices>");
    guest.replacen("<devices>", &element, 1)
}

#[test]
fn the_second_guest_is_told_who_has_the_disk() {
    let Some(mut sanlock) = ours() else { return };
    let image = image(&sanlock.host, "disk.raw");
    sanlock.host.define(&guest_with("web", &image));
    sanlock.host.define(&guest_with("db", &image));
    sanlock.host.virsh(&["start", "web"]).ok();
    assert_eq!(sanlock.held("web"), 1);
    let refused = |sanlock: &Sanlock| {
        let error = sanlock.host.virsh(&["start", "db"]).failed();
        let told = format!(
            "disk '{}' is locked by guest 'web' (process ",
            image.display()
        );
        assert!(error.contains(&told), "{error}");
        assert_eq!(sanlock.host.state("db"), "shut off");
    };
    refused(&sanlock);
    // The guest keeps it, whatever becomes of the daemon.
    sanlock.kill_daemon();
    assert_eq!(sanlock.held("web"), 1);
    sanlock.start_daemon();
    refused(&sanlock);
    // A guest whose processors stand holds nothing; what it held is known to the next daemon.
    sanlock.host.virsh(&["suspend", "web"]).ok();
    assert_eq!(sanlock.held("web"), 0);
    let status = sanlock.host.path("run/libvirt/qemu/web.xml");
    eventually("the state in the status file", || {
        fs::read_to_string(&status)
            .is_ok_and(|text| text.contains("<lockstate>__LIBVIRT__DISKS__:"))
    });
    sanlock.kill_daemon();
    sanlock.start_daemon();
    sanlock.host.virsh(&["resume", "web"]).ok();
    assert_eq!(sanlock.held("web"), 1);
    refused(&sanlock);
    // Its end frees the disk.
    sanlock.host.virsh(&["destroy", "web"]).ok();
    sanlock.host.virsh(&["start", "db"]).ok();
    assert_eq!(sanlock.held("db"), 1);
    // Saved, it holds nothing; restored, it does.
    let file = sanlock.host.path("db.save").display().to_string();
    sanlock.host.virsh(&["save", "db", &file]).ok();
    assert!(!sanlock.status().contains("\nr "));
    sanlock.host.virsh(&["restore", &file]).ok();
    assert_eq!(sanlock.held("db"), 1);
}

#[test]
fn leases_that_guests_name_are_held_too_and_read_only_disks_need_none() {
    let Some(sanlock) = ours() else { return };
    let host = &sanlock.host;
    let lease = sanlock.lease("k");
    let (one, two) = (image(host, "one.raw"), image(host, "two.raw"));
    host.define(&guest::firmware_only(
        "a",
        &(disk(&one, "<shareable/>") + &lease),
    ));
    host.define(&guest::firmware_only("b", &(disk(&two, "") + &lease)));
    host.define(&guest::firmware_only("c", &disk(&one, "<shareable/>")));
    host.define(&guest::firmware_only(
        "d",
        &disk(&image(host, "ro.raw"), "<readonly/>"),
    ));
    host.virsh(&["start", "a"]).ok();
    assert_eq!(sanlock.held("a"), 2);
    host.virsh(&["start", "c"]).ok();
    assert_eq!(sanlock.held("c"), 1);
    host.virsh(&["start", "d"]).ok();
    assert_eq!(sanlock.held("d"), 0);
    let error = host.virsh(&["start", "b"]).failed();
    assert!(
        error.contains("lease 'k' is locked by guest 'a'"),
        "{error}"
    );
    // Another's while the first was paused: its memory is of another time.
    host.virsh(&["suspend", "a"]).ok();
    host.virsh(&["start", "b"]).ok();
    let error = host.virsh(&["resume", "a"]).failed();
    assert!(
        error.contains("lease 'k' is locked by guest 'b'"),
        "{error}"
    );
    assert_eq!(sanlock.held("a"), 0);
    host.virsh(&["destroy", "b"]).ok();
    let error = host.virsh(&["resume", "a"]).failed();
    assert!(error.contains("since the guest was paused"), "{error}");
    assert_eq!(host.state("a"), "paused");
    let absent = "<lease><lockspace>other</lockspace><key>k</key><target path='/nowhere'/></lease>";
    host.define(&guest::firmware_only("e", absent));
    let error = host.virsh(&["start", "e"]).failed();
    assert!(error.contains("Failed to acquire lock"), "{error}");
    assert_eq!(host.state("e"), "shut off");
}

#[test]
fn what_is_plugged_takes_its_lease_and_what_is_taken_out_gives_it_back() {
    let Some(mut sanlock) = ours() else { return };
    let host = &sanlock.host;
    let (first, second) = (image(host, "first.raw"), image(host, "second.raw"));
    let with_bus = guest_with("a", &first).replacen(
        "<devices>",
        "<devices><controller type='scsi' model='virtio-scsi'/>",
        1,
    );
    host.define(&with_bus);
    host.define(&guest_with("b", &second));
    host.virsh(&["start", "a"]).ok();
    assert_eq!(sanlock.held("a"), 1);
    let image = second.display().to_string();
    let attach = ["attach-disk", "a", &image, "sda", "--targetbus", "scsi"];
    let attach = [&attach[..], &["--subdriver", "raw"]].concat();
    // While another guest has it, the guest goes on without.
    host.virsh(&["start", "b"]).ok();
    let error = host.virsh(&attach).failed();
    assert!(error.contains("is locked by guest 'b'"), "{error}");
    assert_eq!(sanlock.held("a"), 1);
    assert!(!host.virsh(&["domblklist", "a"]).ok().contains("sda"));
    host.virsh(&["destroy", "b"]).ok();
    host.virsh(&attach).ok();
    assert_eq!(sanlock.held("a"), 2);
    let error = host.virsh(&["start", "b"]).failed();
    assert!(error.contains("is locked by guest 'a'"), "{error}");
    // It belongs to the guest as the first one does.
    host.virsh(&["suspend", "a"]).ok();
    assert_eq!(sanlock.held("a"), 0);
    host.virsh(&["resume", "a"]).ok();
    assert_eq!(sanlock.held("a"), 2);
    sanlock.kill_daemon();
    sanlock.start_daemon();
    assert_eq!(sanlock.held("a"), 2);
    let host = &sanlock.host;
    // Nobody in the guest looks after the bus: QEMU lets go of it at once.
    host.virsh(&["detach-disk", "a", "sda"]).ok();
    eventually("the disk to be free", || sanlock.held("a") == 1);
    host.virsh(&["start", "b"]).ok();
    assert_eq!(sanlock.held("b"), 1);
    assert_eq!(host.state("a"), "running");
}

#[test]
fn a_host_that_loses_its_leases_pauses_or_ends_its_guests() {
    let Some(sanlock) = ours() else { return };
    let host = &sanlock.host;
    for action in ["pause", "poweroff"] {
        let guest = guest_with(action, &image(host, action));
        host.define(&with_policy(&guest, action));
        host.virsh(&["start", action]).ok();
    }
    host.define(&guest_with("plain", &image(host, "plain")));
    host.virsh(&["start", "plain"]).ok();
    let never = guest_with("restart", &image(host, "restart"));
    host.define(&with_policy(&never, "restart"));
    let error = host.virsh(&["start", "restart"]).failed();
    assert!(
        error.contains("Failure action restart is not supported by sanlock"),
        "{error}"
    );
    sanlock.lose_lockspace(1);
    eventually("the pause", || host.state("pause") == "paused");
    eventually("the end of two", || {
        host.state("poweroff") == "shut off" && host.state("plain") == "shut off"
    });
    assert_eq!(host.state("pause"), "paused");
}

#[test]
fn libvirts_host_and_ours_keep_each_other_out() {
    let plugin = "/usr/lib/x86_64-linux-gnu/libvirt/lock-driver/sanlock.so";
    let Some(ours) = ours() else { return };
    if !have(&["/usr/sbin/libvirtd", plugin]) {
        return skipped("needs the stock daemon and its sanlock plugin");
    }
    let theirs = Sanlock::start(Host::of(Target::Stock), 2, &ours.folder);
    let image: PathBuf = image(&ours.host, "disk.raw");
    fs::set_permissions(&image, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    theirs.host.define(&guest_with("theirs", &image));
    ours.host.define(&guest_with("ours", &image));
    theirs.host.virsh(&["start", "theirs"]).ok();
    assert_eq!(theirs.held("theirs"), 1);
    let error = ours.host.virsh(&["start", "ours"]).failed();
    let told = format!(
        "disk '{}' is locked by host 2 of lockspace",
        image.display()
    );
    assert!(error.contains(&told), "{error}");
    theirs.host.virsh(&["destroy", "theirs"]).ok();
    ours.host.virsh(&["start", "ours"]).ok();
    assert_eq!(ours.held("ours"), 1);
    ours.host.virsh(&["destroy", "ours"]).ok();
    // The other way round QEMU's own locks would be in libvirt's way: a lease without a disk.
    let lease = ours.lease("k");
    ours.host.define(&guest::firmware_only("first", &lease));
    theirs.host.define(&guest::firmware_only("second", &lease));
    ours.host.virsh(&["start", "first"]).ok();
    let error = theirs.host.virsh(&["start", "second"]).failed();
    assert!(error.contains("Failed to acquire lock"), "{error}");
    ours.host.virsh(&["destroy", "first"]).ok();
    theirs.host.virsh(&["start", "second"]).ok();
    assert_eq!(theirs.held("second"), 1);
    let error = ours.host.virsh(&["start", "first"]).failed();
    assert!(error.contains("lease 'k' is locked by host 2"), "{error}");
}
