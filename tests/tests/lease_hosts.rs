//! Hosts that share a folder of images keep each other out: two roots with daemons of their own,
//! with locks on the images themselves and in lock spaces that they share; and libvirt's own daemons
//! beside ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;
use virt_tests::guest;
use virt_tests::host::{Host, eventually};
use virt_tests::keeper::sibling;
use virt_tests::lock_client::Resource;
use virt_tests::lockd::{Lockd, guest_with, host_with_locks, is_locked, lock_by_lockd};
use virt_tests::target::{Target, have, is_root, skipped};

/// A folder that several hosts see.
fn shared_folder() -> TempDir {
    let folder = TempDir::with_prefix("virt-test-shared-").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn image(folder: &TempDir, name: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, vec![0; 1 << 20]).unwrap();
    path
}

fn host(conf: &str) -> Option<Lockd> {
    let mut lockd = Lockd::start(host_with_locks(conf)?);
    lockd.host.start_daemon();
    Some(lockd)
}

#[test]
fn two_hosts_that_share_a_folder_keep_each_other_out_of_its_images() {
    let (Some(mut one), Some(two)) = (host(""), host("")) else {
        return;
    };
    let folder = shared_folder();
    let image = image(&folder, "disk.raw");
    one.host.define(&guest_with("web", &image));
    two.host.define(&guest_with("db", &image));
    one.host.virsh(&["start", "web"]).ok();
    let refused = || {
        let error = two.host.virsh(&["start", "db"]).failed();
        let path = image.to_string_lossy();
        assert!(error.contains(&*path), "it names the disk: {error}");
        assert!(error.contains("is locked by"), "{error}");
        assert_eq!(two.host.state("db"), "shut off");
    };
    refused();
    one.replace();
    refused();
    one.end(Signal::SIGKILL);
    assert!(is_locked(&image), "the guest keeps its lock");
    refused();
    one.spawn();
    one.host.virsh(&["destroy", "web"]).ok();
    eventually("the lock's end", || !is_locked(&image));
    two.host.virsh(&["start", "db"]).ok();
    let error = one.host.virsh(&["start", "web"]).failed();
    assert!(error.contains("is locked by"), "{error}");
}

#[test]
fn hosts_exclude_each_other_in_a_lock_space_of_digests() {
    let folder = shared_folder();
    let space = folder.path().join("space");
    let conf = format!("file_lockspace_dir = \"{}\"\n", space.display());
    let (Some(mut one), Some(two)) = (host(&conf), host(&conf)) else {
        return;
    };
    let image = image(&folder, "disk.raw");
    one.host.define(&guest_with("web", &image));
    two.host.define(&guest_with("db", &image));
    one.host.virsh(&["start", "web"]).ok();
    // The name that libvirt gives it (WIRE.md section 16), told by a program of the system's.
    let digest = Command::new("sh")
        .args(["-c", "printf %s \"$1\" | sha256sum", "sh"])
        .arg(&image)
        .output()
        .unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    let lease = space.join(digest.split_whitespace().next().unwrap());
    assert!(is_locked(&lease) && !is_locked(&image));
    let refused = || {
        let error = two.host.virsh(&["start", "db"]).failed();
        let name = lease.file_name().unwrap().to_string_lossy();
        assert!(
            error.contains(&*name) && error.contains("is locked by"),
            "{error}"
        );
    };
    refused();
    one.end(Signal::SIGKILL);
    refused();
    one.spawn();
    assert!(one.holds("web"));
    one.host.virsh(&["destroy", "web"]).ok();
    eventually("the lease goes with the guest", || !lease.exists());
    two.host.virsh(&["start", "db"]).ok();
    assert!(is_locked(&lease));
}

#[test]
fn volumes_are_held_by_their_ids() {
    let words = "pvs >/dev/null 2>&1 && test -e /dev/mapper/control && losetup -f";
    let usable = Command::new("sh").args(["-c", words]).output().unwrap();
    if !usable.status.success() {
        return skipped("needs LVM: this kernel has no device-mapper");
    }
    let folder = shared_folder();
    let backing = folder.path().join("pv");
    fs::File::create(&backing)
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    let group = format!("virttest{}", std::process::id());
    let made = format!(
        "set -e; loop=$(losetup -f --show {0}); pvcreate -q $loop >&2; vgcreate -q {group} $loop >&2; \
         lvcreate -q -y -L 8M -n disk {group} >&2; echo $loop; \
         lvs --noheadings -o uuid {group}/disk",
        backing.display()
    );
    let made = Command::new("sh").args(["-c", &made]).output().unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let text = String::from_utf8(made.stdout).unwrap();
    let mut words = text.split_whitespace();
    let (device, uuid) = (
        words.next().unwrap().to_owned(),
        words.next().unwrap().to_owned(),
    );
    let outcome = std::panic::catch_unwind(|| by_uuid(&folder, &group, &uuid));
    let undo = format!("vgremove -q -f {group} >&2; losetup -d {device}");
    Command::new("sh").args(["-c", &undo]).status().unwrap();
    outcome.unwrap();
}

fn by_uuid(folder: &TempDir, group: &str, uuid: &str) {
    let space = folder.path().join("volumes");
    let conf = format!("lvm_lockspace_dir = \"{}\"\n", space.display());
    let (Some(one), Some(two)) = (host(&conf), host(&conf)) else {
        return;
    };
    let disk = format!(
        "<disk type='block'><source dev='/dev/{group}/disk'/><target dev='vda' bus='virtio'/></disk>"
    );
    one.host.define(&guest::firmware_only("web", &disk));
    two.host.define(&guest::firmware_only("db", &disk));
    one.host.virsh(&["start", "web"]).ok();
    assert!(is_locked(&space.join(uuid)));
    let error = two.host.virsh(&["start", "db"]).failed();
    assert!(error.contains(uuid), "{error}");
}

const PLUGIN: &str = "/usr/lib/x86_64-linux-gnu/libvirt/lock-driver/lockd.so";
const STOCK: &str = "/usr/sbin/virtlockd";

/// Whether both daemons can be tried here; told loudly where not.
fn both() -> bool {
    if !is_root() || !have(&["/usr/sbin/libvirtd", STOCK]) || !Path::new(PLUGIN).exists() {
        skipped("needs root, the stock daemons and their lockd plugin");
        return false;
    }
    if Target::chosen() == Target::Stock {
        skipped("takes both daemons; run it without VIRT_TEST_TARGET");
        return false;
    }
    true
}

/// What a new user tries: two guests with one disk, an upgrade in place by a new program, and then
/// libvirt's own daemon against our socket.
#[test]
fn a_disk_stays_its_guests_through_an_upgrade_and_for_libvirts_daemon() {
    if !both() {
        return;
    }
    let Some(mut lockd) = host_with_locks("").map(Lockd::start) else {
        return;
    };
    // One that can be upgraded.
    lockd.end(Signal::SIGTERM);
    let program = lockd.host.path("virtlockd");
    fs::copy(sibling("virtlockd"), &program).unwrap();
    lockd.program.clone_from(&program);
    lockd.spawn();
    lockd.host.start_daemon();
    let folder = shared_folder();
    let image = image(&folder, "disk.raw");
    lockd.host.define(&guest_with("web", &image));
    lockd.host.define(&guest_with("db", &image));
    lockd.host.virsh(&["start", "web"]).ok();
    let refused = |lockd: &Lockd| {
        let error = lockd.host.virsh(&["start", "db"]).failed();
        let path = image.to_string_lossy();
        let pid = lockd.host.qemu_pid("web").to_string();
        for word in ["is locked by guest 'web'", &path, &pid, "since 2"] {
            assert!(error.contains(word), "'{word}' is not in: {error}");
        }
    };
    refused(&lockd);
    // A new file in the program's place, as a package's upgrade leaves it.
    let new = lockd.host.path("virtlockd.new");
    fs::copy(sibling("virtlockd"), &new).unwrap();
    fs::rename(&new, &program).unwrap();
    let holds = lockd.leases();
    lockd.replace();
    assert_eq!(lockd.leases(), holds);
    assert!(is_locked(&image));
    refused(&lockd);
    // libvirt's daemon, on a host of its own whose lockd plugin finds our socket.
    let mut theirs = Host::of(Target::Stock);
    lock_by_lockd(&theirs, "");
    let link = theirs.path("run/libvirt/virtlockd-sock");
    std::os::unix::fs::symlink(lockd.socket(), &link).unwrap();
    theirs.start_daemon();
    theirs.define(&guest_with("theirs", &image));
    // Its QEMU is the first to stumble, over the locks that QEMUs have on images.
    theirs.virsh(&["start", "theirs"]).failed();
    assert_eq!(theirs.state("theirs"), "shut off");
    refused(&lockd);
    // Where QEMU does not see the other one, its plugin asks us.
    lockd.host.virsh(&["destroy", "web"]).ok();
    eventually("the lock's end", || !is_locked(&image));
    let mut away = lockd.client("far", lockd.host.daemon_pid());
    assert_eq!(away.acquire(&Resource::image(&image)), Ok(()));
    let error = theirs.virsh(&["start", "theirs"]).failed();
    assert!(error.contains("is locked by guest 'far'"), "{error}");
    assert_eq!(theirs.state("theirs"), "shut off");
    assert_eq!(away.release(&Resource::image(&image)), Ok(()));
    // And the other way round.
    theirs.virsh(&["start", "theirs"]).ok();
    let error = lockd.host.virsh(&["start", "db"]).failed();
    assert!(error.contains("is locked by guest 'theirs'"), "{error}");
    theirs.virsh(&["destroy", "theirs"]).ok();
    eventually("the lock's end", || !is_locked(&image));
    lockd.host.virsh(&["start", "db"]).ok();
}

/// Two hosts, one of libvirt alone, one of ours: what they share is the folder.
#[test]
fn a_host_of_libvirts_and_one_of_ours_keep_each_other_out() {
    if !both() {
        return;
    }
    let Some(ours) = host("") else { return };
    let mut theirs = Host::of(Target::Stock);
    lock_by_lockd(&theirs, "");
    let log = theirs.path("stock-lockd.log");
    theirs.keeper().spawn(&[STOCK], &[], &log);
    let socket = theirs.path("run/libvirt/virtlockd-sock");
    eventually("their virtlockd", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    theirs.start_daemon();
    let folder = shared_folder();
    let image = image(&folder, "disk.raw");
    ours.host.define(&guest_with("web", &image));
    theirs.define(&guest_with("theirs", &image));
    theirs.virsh(&["start", "theirs"]).ok();
    assert!(is_locked(&image));
    let error = ours.host.virsh(&["start", "web"]).failed();
    assert!(
        error.contains("is locked by") && error.contains("process"),
        "{error}"
    );
    theirs.virsh(&["destroy", "theirs"]).ok();
    eventually("the lock's end", || !is_locked(&image));
    ours.host.virsh(&["start", "web"]).ok();
    theirs.virsh(&["start", "theirs"]).failed();
    assert_eq!(theirs.state("theirs"), "shut off");
    assert!(ours.holds("web"));
}
