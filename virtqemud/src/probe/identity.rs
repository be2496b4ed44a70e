//! What an answer depends on besides the question: the binary, the host, ourselves.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::kvm;

/// The file that was asked. A package update changes its change time even when it keeps the
/// others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BinaryIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl BinaryIdentity {
    /// Looks at the file, which must be executable by us.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        rustix::fs::access(path, rustix::fs::Access::EXEC_OK)?;
        let data = fs::metadata(path)?;
        if data.is_dir() {
            return Err(rustix::io::Errno::ACCESS.into());
        }
        Ok(Self {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        })
    }
}

/// The host at the time of asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostIdentity {
    kernel: String,
    kvm: kvm::State,
    nested: String,
    /// Of the first processor only: on some hosts the cores differ, and it must not matter on
    /// which one we happen to run.
    processor: String,
    /// Change time of the folders that QEMU loads its modules from.
    modules: Vec<(i64, i64)>,
}

/// Where distributions keep QEMU's modules.
const MODULE_FOLDERS: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/qemu",
    "/usr/lib/aarch64-linux-gnu/qemu",
    "/usr/lib64/qemu-kvm",
    "/usr/lib64/qemu",
    "/usr/lib/qemu",
];

/// Lines of `/proc/cpuinfo` that say what a processor can do.
const PROCESSOR_LINES: &[&str] = &[
    "vendor_id",
    "cpu family",
    "model",
    "stepping",
    "microcode",
    "flags",
    "Features",
    "CPU part",
];

impl HostIdentity {
    /// Reads it from `/proc` and `/sys`; what isn't there reads as empty.
    pub(super) fn now() -> Self {
        let text = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.trim().to_owned()
        };
        Self {
            kernel: text("/proc/sys/kernel/osrelease") + " " + &text("/proc/sys/kernel/version"),
            kvm: kvm::state(),
            nested: text("/sys/module/kvm_intel/parameters/nested")
                + &text("/sys/module/kvm_amd/parameters/nested"),
            processor: processor(&text("/proc/cpuinfo")),
            modules: MODULE_FOLDERS
                .iter()
                .filter_map(|folder| fs::metadata(folder).ok())
                .map(|data| (data.ctime(), data.ctime_nsec()))
                .collect(),
        }
    }
}

fn processor(cpuinfo: &str) -> String {
    let first = cpuinfo.split("\n\n").next().unwrap_or_default();
    let told = |line: &&str| {
        let key = line.split(':').next().unwrap_or_default().trim();
        PROCESSOR_LINES.contains(&key)
    };
    first.lines().filter(told).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_processors_lasting_facts_count() {
        let text =
            "processor\t: 0\nmodel\t\t: 85\ncpu MHz\t: 2500.1\n\nprocessor\t: 1\nmodel\t\t: 86\n";
        assert_eq!(processor(text), "model\t\t: 85");
    }

    #[test]
    fn a_folder_is_no_binary() {
        assert!(BinaryIdentity::of(Path::new("/usr")).is_err());
    }
}
