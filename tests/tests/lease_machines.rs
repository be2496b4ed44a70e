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
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use tempfile::TempDir;
use virt_tests::keeper::sibling;
use virt_tests::target::{Target, build_ours, have, is_root, skipped};

const VIRSH: &str = "/usr/bin/virsh";
/// libvirt's own daemons, and what they load.
const STOCK: &[&str] = &[
    "/usr/sbin/libvirtd",
    "/usr/sbin/virtlockd",
    "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so",
    "/usr/lib/x86_64-linux-gnu/libvirt/lock-driver/lockd.so",
];
const SCRIPTS: &[&str] = &[
    "hosts.sh",
    "leases-over-nfs",
    "leases-on-devices",
    "leases-between-machines",
];

/// A program that runs a command in a machine of its own, and the folder that such machines are given:
/// the scripts and all that they run.
struct Machines {
    program: PathBuf,
    folder: TempDir,
    /// Whether libvirt's own daemons are in the folder.
    stock: bool,
}

impl Machines {
    /// Nothing, told loudly, where there is no such program.
    fn new(with_stock: bool) -> Option<Self> {
        if Target::chosen() == Target::Stock {
            skipped("is about our virtlockd");
            return None;
        }
        let named = std::env::var_os("VIRT_TEST_VM").map(PathBuf::from);
        let program = named.filter(|program| program.is_file());
        let Some(program) = program.filter(|_| is_root() && have(&[VIRSH])) else {
            skipped(
                "needs a machine of its own, with an NFS server, LVM and SCSI disks: name the \
                 program that runs one by VIRT_TEST_VM, as root",
            );
            return None;
        };
        build_ours();
        let folder = TempDir::with_prefix("virt-test-machine-").unwrap();
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("machine");
        for script in SCRIPTS {
            fs::copy(scripts.join(script), folder.path().join(script)).unwrap();
        }
        for ours in ["virtlockd", "virtqemud"] {
            copy_bare(&sibling(ours), &folder.path().join(ours));
        }
        fs::copy(VIRSH, folder.path().join("virsh")).unwrap();
        copy_libraries(VIRSH, &folder.path().join("lib"));
        let stock = with_stock && have(STOCK);
        if stock {
            let root = folder.path().join("stock");
            for file in STOCK {
                let to = root.join(file.trim_start_matches('/'));
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(file, &to).unwrap();
                copy_libraries(file, &root.join("usr/lib/x86_64-linux-gnu"));
            }
            let share = root.join("usr/share");
            fs::create_dir_all(&share).unwrap();
            let mut copy = Command::new("cp");
            copy.args(["-a", "/usr/share/libvirt"]).arg(share);
            assert!(copy.status().unwrap().success());
        }
        Some(Self {
            program,
            folder,
            stock,
        })
    }

    /// Runs `script` in a machine that is made with `options`.
    fn run(&self, options: &[&str], script: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(["run", "--timeout", "2400"]).args(options);
        command.arg("--share").arg(self.folder.path()).arg("--");
        command.args(script).output().unwrap()
    }
}

/// Copies a program without what only debuggers read, where there is a tool for that: machines that are
/// emulated read it slowly.
fn copy_bare(from: &Path, to: &Path) {
    let mut strip = Command::new("strip");
    let stripped = strip.arg("-s").arg("-o").arg(to).arg(from).status();
    if !stripped.is_ok_and(|status| status.success()) {
        fs::copy(from, to).unwrap();
    }
}

fn copy_libraries(of: &str, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let needed = Command::new("ldd").arg(of).output().unwrap();
    let needed = String::from_utf8(needed.stdout).unwrap();
    let files = needed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(Path::new);
    for file in files {
        fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
}

#[track_caller]
fn passed(run: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&run.stdout);
    let all = words
        .iter()
        .all(|word| text.contains(&format!("PASSED: {word}")));
    assert!(
        run.status.success() && all,
        "{text}\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

fn over_nfs(version: &str) {
    let Some(machines) = Machines::new(false) else {
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
fn volumes_and_scsi_disks_are_held_by_their_ids_as_libvirt_names_them() {
    let Some(machines) = Machines::new(true) else {
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
    let Some(machines) = Machines::new(false) else {
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
