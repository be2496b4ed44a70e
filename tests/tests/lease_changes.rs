//! Leases follow what guests have: disks and media that come and go, saving, sharing, ends of every
//! kind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use virt_tests::guest;
use virt_tests::host::{eventually, send};
use virt_tests::lockd::{Lockd, guest_with, host_with_locks, image, is_locked};

fn start() -> Option<Lockd> {
    let mut lockd = Lockd::start(host_with_locks("")?);
    lockd.host.start_daemon();
    Some(lockd)
}

/// A guest whose devices can be plugged.
fn pluggable(name: &str, devices: &str) -> String {
    guest::firmware_only(name, devices)
        .replace("<devices>", "<features><acpi/></features><devices>")
}

fn disk(image: &Path, target: &str, more: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/>\
         <target dev='{target}'/>{more}</disk>",
        image.display()
    )
}

#[test]
fn a_disk_is_held_from_its_coming_to_its_going() {
    let Some(mut lockd) = start() else { return };
    let images = ["taken", "more", "late", "slow"].map(|name| image(&lockd.host, name));
    let [taken, more, late, slow] = &images;
    let host = &lockd.host;
    host.define(&guest_with("other", taken));
    host.define(&pluggable(
        "g",
        "<controller type='scsi' model='virtio-scsi'/>",
    ));
    host.virsh(&["start", "other"]).ok();
    host.virsh(&["start", "g"]).ok();
    let path = |image: &Path| image.to_string_lossy().into_owned();
    let attach = |image: &Path, target: &str, bus: &str| {
        host.virsh(&["attach-disk", "g", &path(image), target, "--targetbus", bus])
    };
    // Refused before QEMU hears of it, with who has it; nothing is left of the attempt.
    let error = attach(taken, "sda", "scsi").failed();
    assert!(error.contains("is locked by guest 'other'"), "{error}");
    let nodes = host.virsh(&[
        "qemu-monitor-command",
        "g",
        r#"{"execute":"query-named-block-nodes"}"#,
    ]);
    assert!(!nodes.ok().contains("-storage"));
    assert_eq!(
        host.virsh(&["domblklist", "g"])
            .ok()
            .lines()
            .filter(|l| l.contains("sda"))
            .count(),
        0
    );
    // Had, and given back when it goes.
    attach(more, "sda", "scsi").ok();
    assert!(lockd.holds("g") && is_locked(more));
    host.virsh(&["detach-disk", "g", "sda"]).ok();
    eventually("the disk's lock is given back", || !is_locked(more));
    attach(more, "sda", "scsi").ok();
    assert!(is_locked(more), "what was given back can be had again");
    // A guest that stands holds nothing; what comes meanwhile is held when it goes on.
    host.virsh(&["suspend", "g"]).ok();
    assert!(!is_locked(more));
    attach(late, "sdb", "scsi").ok();
    assert!(!is_locked(late));
    host.virsh(&["resume", "g"]).ok();
    assert!(is_locked(more) && is_locked(late));
    // Firmware does not answer to the request: the disk is held until QEMU drops it at the reset,
    // whoever is there to see it.
    attach(slow, "vdb", "virtio").ok();
    host.virsh(&["detach-disk", "g", "vdb"]).ok();
    assert!(is_locked(slow), "the guest still has it");
    host.virsh(&["reset", "g"]).ok();
    eventually("the lock of what went late", || !is_locked(slow));
    assert!(!host.virsh(&["domblklist", "g"]).ok().contains("vdb"));
    // The next daemon knows of all that came.
    lockd.host.end_daemon(Signal::SIGKILL);
    lockd.host.start_daemon();
    assert!(is_locked(more) && is_locked(late));
    let host = &lockd.host;
    host.virsh(&["suspend", "g"]).ok();
    assert!(!is_locked(more) && !is_locked(late));
    host.virsh(&["resume", "g"]).ok();
    host.virsh(&["detach-disk", "g", "sdb"]).ok();
    eventually("the lock of what the last daemon attached", || {
        !is_locked(late)
    });
    // The guest's own death.
    send(host.qemu_pid("g"), Signal::SIGKILL);
    eventually("the locks of a dead guest", || !is_locked(more));
    assert!(is_locked(taken));
}

#[test]
fn a_medium_is_held_while_it_is_in_the_drive() {
    let Some(lockd) = start() else { return };
    let host = &lockd.host;
    let images = ["taken", "one", "two", "iso"].map(|name| image(host, name));
    let [taken, one, two, iso] = &images;
    host.define(&guest_with("other", taken));
    let floppy = disk(one, "fda", "").replace("device='disk'", "device='floppy'");
    let cdrom = "<disk type='file' device='cdrom'><target dev='hdc'/><readonly/></disk>";
    host.define(&guest::firmware_only("g", &(floppy + cdrom)));
    host.virsh(&["start", "other"]).ok();
    host.virsh(&["start", "g"]).ok();
    assert!(is_locked(one));
    let change = |drive: &str, image: &Path| {
        host.virsh(&["change-media", "g", drive, &image.to_string_lossy()])
    };
    let error = change("fda", taken).failed();
    assert!(error.contains("is locked by guest 'other'"), "{error}");
    assert!(is_locked(one), "the old medium stays and is held");
    assert!(host.virsh(&["domblklist", "g"]).ok().contains("one"));
    change("fda", two).ok();
    assert!(is_locked(two) && !is_locked(one));
    host.virsh(&["change-media", "g", "fda", "--eject"]).ok();
    assert!(!is_locked(two));
    // Nobody writes a medium that can only be read.
    change("hdc", iso).ok();
    assert!(!is_locked(iso));
    // QEMU's own refusal gives the lease back: it is no image of that format.
    let broken = format!(
        "<disk type='file' device='floppy'><driver name='qemu' type='qcow2'/>\
         <source file='{}'/><target dev='fda'/></disk>",
        two.display()
    );
    let broken = host.write("broken.xml", &broken);
    host.virsh(&["update-device", "g", &broken]).failed();
    assert!(!is_locked(two));
    change("fda", two).ok();
    assert!(is_locked(two));
}

#[test]
fn a_saved_guest_holds_nothing_and_takes_all_before_it_goes_on() {
    let Some(lockd) = start() else { return };
    let host = &lockd.host;
    let image = image(host, "disk.raw");
    host.define(&guest_with("g", &image));
    host.define(&guest_with("other", &image));
    let file = host.work().join("g.save").to_string_lossy().into_owned();
    host.virsh(&["start", "g"]).ok();
    host.virsh(&["save", "g", &file]).ok();
    assert!(!is_locked(&image) && !lockd.holds("g"));
    host.virsh(&["start", "other"]).ok();
    let error = host.virsh(&["restore", &file]).failed();
    assert!(error.contains("is locked by guest 'other'"), "{error}");
    assert_eq!(host.state("g"), "shut off");
    host.virsh(&["destroy", "other"]).ok();
    eventually("the lock of the other", || !is_locked(&image));
    host.virsh(&["restore", &file]).ok();
    assert!(lockd.holds("g") && is_locked(&image));
    host.virsh(&["managedsave", "g"]).ok();
    assert!(!is_locked(&image));
    host.virsh(&["start", "other"]).ok();
    let error = host.virsh(&["start", "g"]).failed();
    assert!(error.contains("is locked by guest 'other'"), "{error}");
    host.virsh(&["destroy", "other"]).ok();
    eventually("the lock of the other", || !is_locked(&image));
    // The saved state was not lost by the refusal.
    assert!(
        host.virsh(&["dominfo", "g"])
            .ok()
            .contains("Managed save:   yes")
    );
    host.virsh(&["start", "g"]).ok();
    assert!(lockd.holds("g") && is_locked(&image));
}

#[test]
fn disks_are_shared_by_those_who_all_say_so() {
    let Some(lockd) = start() else { return };
    let host = &lockd.host;
    let (shared, base) = (image(host, "shared"), image(host, "base"));
    let define = |name: &str, image: &Path, more: &str| {
        host.define(&guest::firmware_only(name, &disk(image, "vda", more)));
    };
    define("one", &shared, "<shareable/>");
    define("two", &shared, "<shareable/>");
    define("alone", &shared, "");
    host.virsh(&["start", "one"]).ok();
    host.virsh(&["start", "two"]).ok();
    let error = host.virsh(&["start", "alone"]).failed();
    assert!(
        error.contains("guest 'one'") && error.contains("guest 'two'"),
        "{error}"
    );
    host.virsh(&["destroy", "one"]).ok();
    assert!(is_locked(&shared));
    host.virsh(&["destroy", "two"]).ok();
    host.virsh(&["start", "alone"]).ok();
    let error = host.virsh(&["start", "one"]).failed();
    assert!(error.contains("guest 'alone'"), "{error}");
    // What is dropped at the end is written elsewhere: that is held.
    define("dropping", &base, "<transient/>");
    host.virsh(&["start", "dropping"]).ok();
    let overlay = Path::new(&format!("{}.TRANSIENT-dropping", base.display())).to_owned();
    assert!(is_locked(&overlay));
    host.virsh(&["suspend", "dropping"]).ok();
    assert!(!is_locked(&overlay));
    host.virsh(&["resume", "dropping"]).ok();
    assert!(is_locked(&overlay));
    host.virsh(&["destroy", "dropping"]).ok();
    eventually("the overlay is gone", || !overlay.exists());
}

#[test]
fn leases_that_guests_name_come_and_go() {
    let Some(lockd) = start() else { return };
    let host = &lockd.host;
    let space = host.path("leases/space");
    fs::create_dir_all(&space).unwrap();
    fs::write(space.join("key"), "").unwrap();
    let lease = format!(
        "<lease><lockspace>space</lockspace><key>key</key><target path='{}'/></lease>",
        host.path("leases").display()
    );
    host.define(&guest::firmware_only("g", ""));
    host.define(&guest::firmware_only("other", &lease));
    let file = host.write("lease.xml", &lease);
    host.virsh(&["start", "g"]).ok();
    host.virsh(&["attach-device", "g", &file]).ok();
    assert!(lockd.holds("g") && is_locked(&space.join("key")));
    let error = host.virsh(&["start", "other"]).failed();
    assert!(error.contains("guest 'g'"), "{error}");
    host.virsh(&["detach-device", "g", &file]).ok();
    host.virsh(&["start", "other"]).ok();
    let error = host.virsh(&["attach-device", "g", &file]).failed();
    assert!(error.contains("guest 'other'"), "{error}");
    assert_eq!(
        host.virsh(&["dumpxml", "g", "--xpath", "//lease"])
            .ok()
            .trim(),
        ""
    );
}

/// What could not be given back is the guest's own: it is not in its way.
#[test]
fn a_guest_paused_while_virtlockd_was_away_resumes_when_it_is_back() {
    let Some(mut lockd) = start() else { return };
    let image = image(&lockd.host, "disk.raw");
    lockd.host.define(&guest_with("web", &image));
    lockd.host.define(&guest_with("db", &image));
    lockd.host.virsh(&["start", "web"]).ok();
    lockd.end(Signal::SIGKILL);
    lockd.host.virsh(&["suspend", "web"]).ok();
    let error = lockd.host.virsh(&["resume", "web"]).failed();
    assert!(error.contains("virtlockd"), "{error}");
    assert!(is_locked(&image), "nobody could take it back");
    lockd.spawn();
    lockd.host.virsh(&["resume", "web"]).ok();
    assert_eq!(lockd.host.state("web"), "running");
    lockd.host.virsh(&["start", "db"]).failed();
    // And it holds it once: a pause gives it back.
    lockd.host.virsh(&["suspend", "web"]).ok();
    eventually("the lock's end", || !is_locked(&image));
}

/// virtlockd has no word for a lock that is lost: libvirt's plugin takes every action of
/// `<on_lockfailure>` and does nothing with it, whatever becomes of its virtlockd. The difference is
/// that here the lock stays.
#[test]
fn an_action_for_lost_leases_is_taken_and_never_needed() {
    let Some(mut lockd) = start() else { return };
    let actions = ["pause", "poweroff", "restart", "ignore"];
    let images: Vec<_> = actions
        .iter()
        .map(|action| image(&lockd.host, action))
        .collect();
    for (action, image) in actions.iter().zip(&images) {
        let element = format!("<on_lockfailure>{action}</on_lockfailure><devices>");
        let guest = guest_with(action, image).replace("<devices>", &element);
        lockd.host.define(&guest);
        lockd.host.virsh(&["start", action]).ok();
    }
    lockd.end(Signal::SIGKILL);
    for (action, image) in actions.iter().zip(&images) {
        assert_eq!(lockd.host.state(action), "running");
        assert!(is_locked(image));
    }
    lockd.spawn();
    for (action, image) in actions.iter().zip(&images) {
        assert!(lockd.holds(action));
        let xml = lockd.host.virsh(&["dumpxml", action]).ok();
        let element = format!("<on_lockfailure>{action}</on_lockfailure>");
        assert!(xml.contains(&element), "{xml}");
        lockd.host.virsh(&["destroy", action]).ok();
        eventually("the lock's end", || !is_locked(image));
    }
}
