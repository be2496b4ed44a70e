//! Machines of their own for what takes a whole one: an NFS server in the kernel, LVM, SCSI disks, systemd.
//! A program named by `VIRT_TEST_VM` runs a command in one; what is tried is in the scripts of
//! `tests/machine`, which also run by hand in any such machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::keeper::sibling;
use crate::target::{Target, build_ours, have, is_root, skipped};

const VIRSH: &str = "/usr/bin/virsh";
/// libvirt's own daemons, and what they load.
const STOCK: &[&str] = &[
    "/usr/sbin/libvirtd",
    "/usr/sbin/virtlockd",
    "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so",
    "/usr/lib/x86_64-linux-gnu/libvirt/lock-driver/lockd.so",
];
/// A program that runs a command in a machine of its own, and the folder that such machines are given:
/// the scripts and all that they run.
pub struct Machines {
    program: PathBuf,
    /// The folder.
    pub folder: TempDir,
    /// Whether libvirt's own daemons are in the folder.
    pub stock: bool,
}

impl Machines {
    /// With our daemons, their units and virsh. Nothing, told loudly, where there is no such program.
    pub fn new() -> Option<Self> {
        Self::of(false)
    }

    /// With libvirt's own daemons as well, where they are on this host.
    pub fn with_stock() -> Option<Self> {
        Self::of(true)
    }

    fn of(with_stock: bool) -> Option<Self> {
        if Target::chosen() == Target::Stock {
            skipped("is about our daemons");
            return None;
        }
        let named = std::env::var_os("VIRT_TEST_VM").map(PathBuf::from);
        let program = named.filter(|program| program.is_file());
        let Some(program) = program.filter(|_| is_root() && have(&[VIRSH])) else {
            skipped(
                "needs a machine of its own, with systemd, an NFS server, LVM and SCSI disks: name \
                 the program that runs one by VIRT_TEST_VM, as root",
            );
            return None;
        };
        build_ours();
        crate::containers::build();
        let folder = TempDir::with_prefix("virt-test-machine-").unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy_files(&here.join("machine"), folder.path());
        copy_files(&here.join("../systemd"), &folder.path().join("systemd"));
        copy_files(&here.join("../virtlxcd/apparmor"), folder.path());
        copy_files(
            &here.join("../virtaclD/polkit"),
            &folder.path().join("polkit"),
        );
        let programs = ["virtlogd", "virtlockd", "virtacld", "virtqemud"];
        for ours in programs.iter().chain(&["virtlxcd", "virtlxc-controller"]) {
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
    ///
    /// # Panics
    /// When the program can't be run.
    pub fn run(&self, options: &[&str], script: &[&str]) -> Output {
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

/// The files of one folder.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Whether the script said so.
///
/// # Panics
/// When it did not.
#[track_caller]
pub fn passed(run: &Output, words: &[&str]) {
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
