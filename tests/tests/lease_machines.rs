//! Leases where only a whole machine will do: over NFS, whose server needs the kernel's own. Run in a
//! throw-away virtual machine (`testvm` in PATH, or `VIRT_TEST_VM` naming it), as minutes of work:
//!
//!     VIRT_TEST_VM=.../testvm cargo test -p virt-tests --test lease_machines

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests: a failure is the test's failure, with its place"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use virt_tests::keeper::sibling;
use virt_tests::target::{Target, build_ours, have, is_root, skipped};

/// The program that runs a command in a machine of its own.
fn machine() -> Option<PathBuf> {
    let named = std::env::var_os("VIRT_TEST_VM").map(PathBuf::from);
    named.filter(|program| program.is_file())
}

/// A folder with the script and all that it runs: ours, and virsh with its libraries, which the
/// machine need not have.
fn bundle() -> TempDir {
    let folder = TempDir::with_prefix("virt-test-machine-").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("machine/leases-over-nfs");
    let virsh = PathBuf::from("/usr/bin/virsh");
    let programs = [
        script,
        sibling("virtlockd"),
        sibling("virtqemud"),
        virsh.clone(),
    ];
    for program in &programs {
        fs::copy(program, folder.path().join(program.file_name().unwrap())).unwrap();
    }
    let libraries = folder.path().join("lib");
    fs::create_dir(&libraries).unwrap();
    let needed = Command::new("ldd").arg(&virsh).output().unwrap();
    let needed = String::from_utf8(needed.stdout).unwrap();
    let files = needed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(Path::new);
    for file in files {
        fs::copy(file, libraries.join(file.file_name().unwrap())).unwrap();
    }
    folder
}

fn over_nfs(version: &str) {
    if Target::chosen() == Target::Stock {
        return skipped("is about our virtlockd");
    }
    let Some(machine) = machine().filter(|_| is_root() && have(&["/usr/bin/virsh"])) else {
        return skipped(
            "needs a machine of its own with an NFS server: name the program that runs one by \
             VIRT_TEST_VM, as root",
        );
    };
    build_ours();
    let bundle = bundle();
    let run = Command::new(machine)
        .args(["run", "--timeout", "1500", "--share"])
        .arg(bundle.path())
        .args(["--", "./leases-over-nfs", version])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && text.contains(&format!("PASSED: NFS {version}")),
        "{text}\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

#[test]
fn locks_exclude_over_nfs_4_and_none_is_lost_with_virtlockd() {
    over_nfs("4.2");
}

#[test]
fn locks_exclude_over_nfs_3_and_none_is_lost_with_virtlockd() {
    over_nfs("3");
}
