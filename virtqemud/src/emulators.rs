//! The QEMU binaries of the host: which one runs guests of an architecture.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// QEMU's names of architectures where libvirt's is another.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("i686", "i386"),
    ("armv7l", "arm"),
    ("armv6l", "arm"),
    ("openrisc", "or1k"),
    ("ppc64le", "ppc64"),
    ("parisc", "hppa"),
];

/// Architectures that guests may have, in the order they are listed.
pub const ARCHITECTURES: &[&str] = &[
    "alpha",
    "armv6l",
    "armv7l",
    "aarch64",
    "i686",
    "loongarch64",
    "m68k",
    "microblaze",
    "microblazeel",
    "mips",
    "mipsel",
    "mips64",
    "mips64el",
    "openrisc",
    "parisc",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv32",
    "riscv64",
    "s390x",
    "sh4",
    "sh4eb",
    "sparc",
    "sparc64",
    "x86_64",
    "xtensa",
    "xtensaeb",
];

/// The binary that runs guests of an architecture on a host of `host`'s, found on `path` (the
/// environment's `PATH`).
pub fn find(arch: &str, host: &str, path: &OsStr) -> Option<PathBuf> {
    let name = OTHER_NAMES
        .iter()
        .find(|(ours, _)| *ours == arch)
        .map_or(arch, |(_, qemus)| qemus);
    let own = in_path(&format!("qemu-system-{name}"), path);
    // Distributions that ship one binary name it so.
    let native = || {
        (arch == host)
            .then(|| {
                in_path("qemu-kvm", path)
                    .or_else(|| in_path("kvm", path))
                    .or_else(|| executable(PathBuf::from("/usr/libexec/qemu-kvm")))
            })
            .flatten()
    };
    // A 64-bit binary runs 32-bit guests as well.
    let wider = || {
        (arch == "i686" && host == "x86_64")
            .then(|| find("x86_64", host, path))
            .flatten()
    };
    own.or_else(native).or_else(wider)
}

/// A program of that name on a search path.
pub fn in_path(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).find_map(|folder| {
        folder
            .is_absolute()
            .then(|| executable(folder.join(name)))
            .flatten()
    })
}

fn executable(path: PathBuf) -> Option<PathBuf> {
    let file = Path::is_file(&path);
    let ours = rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok();
    (file && ours).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_native_guest_may_run_on_the_one_binary_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            path
        };
        let path = folder.path().as_os_str();
        let find = |arch| find(arch, "x86_64", path);
        let kvm = put("qemu-kvm");
        assert_eq!(find("x86_64"), Some(kvm.clone()));
        assert_eq!(find("i686"), Some(kvm));
        let own = put("qemu-system-x86_64");
        let small = put("qemu-system-i386");
        assert_eq!(find("x86_64"), Some(own));
        assert_eq!(find("i686"), Some(small));
        assert_eq!(find("aarch64"), None);
    }
}
