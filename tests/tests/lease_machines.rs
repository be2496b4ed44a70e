//! Leases where only a whole machine will do: over NFS, whose server needs the kernel's own, between
//! two machines, and on logical volumes and SCSI disks. Run in throw-away virtual machines (`testvm`),
//! as minutes of work; without one they are skipped, loudly:
//!
//!     VIRT_TEST_VM=.../testvm cargo test -p virt-tests --test lease_machines
//!
//! What is tried is in the scripts of `tests/machine`, which also run by hand in any such machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::thread;

use virt_tests::machines::{Machines, passed};
use virt_tests::target::skipped;

fn over_nfs(version: &str) {
    let Some(machines) = Machines::new() else {
        return;
    };
    let run = machines.run(&[], &["./leases-over-nfs", version]);
    passed(&run, &[&format!("NFS {version}")]);
}

#[test]
fn locks_exclude_over_nfs_4_and_none_is_lost_with_virtlockd() {
    over_nfs("4.2");
}

#[test]
fn locks_exclude_over_nfs_3_and_none_is_lost_with_virtlockd() {
    over_nfs("3");
}

#[test]
fn libvirts_virtlockd_and_ours_exclude_each_other_over_nfs() {
    let Some(machines) = Machines::with_stock() else {
        return;
    };
    if !machines.stock {
        return skipped("needs libvirt's own daemons");
    }
    let run = machines.run(&[], &["./leases-beside-libvirts", "4.2"]);
    passed(&run, &["beside libvirt's, NFS 4.2"]);
}

#[test]
fn volumes_and_scsi_disks_are_held_by_their_ids_as_libvirt_names_them() {
    let Some(machines) = Machines::with_stock() else {
        return;
    };
    let disk = machines.folder.path().join("lun.raw");
    fs::File::create(&disk).unwrap().set_len(16 << 20).unwrap();
    let disk = format!("{},serial=lun0", disk.display());
    let lun = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_lun0";
    let run = machines.run(&["--disk", &disk], &["./leases-on-devices", lun]);
    let all = ["devices", "as libvirt's"];
    passed(&run, if machines.stock { &all } else { &all[..1] });
}

#[test]
fn a_lease_in_one_machine_keeps_the_other_machines_guests_out() {
    let Some(machines) = Machines::new() else {
        return;
    };
    let cable = machines.folder.path().join("cable");
    let cable = cable.to_str().unwrap();
    let run = |number: &str| {
        let name = format!("machine{number}");
        let options = ["--lan", cable, "--name", &name];
        machines.run(&options, &["./leases-between-machines", number])
    };
    let (first, second) = thread::scope(|threads| {
        let second = threads.spawn(|| run("2"));
        (run("1"), second.join().unwrap())
    });
    for (run, machine) in [(&first, "machine 1"), (&second, "machine 2")] {
        passed(run, &[machine]);
    }
}
