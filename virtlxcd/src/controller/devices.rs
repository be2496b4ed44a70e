//! A container's `/dev`: memory with the devices that harm nobody, its terminals, and nothing else.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;

use rustix::fs::{AtFlags, CWD, FileType, Mode, chmodat, makedev, mknodat};
use rustix::mount::{MountFlags, mount};

use super::mounts::{attach, folder};
use crate::plan::Plan;

/// Name, major and minor number (the kernel's `devices.txt`).
const NODES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Paths of the same on the host.
pub(super) fn host_paths() -> impl Iterator<Item = String> {
    NODES.iter().map(|(name, ..)| format!("/dev/{name}"))
}

/// Makes them. A container that maps its users can't make devices: it gets `nodes`, those of
/// [`host_paths`], whose owner it can't be.
pub(super) fn make(plan: &Plan, nodes: &[OwnedFd]) -> Result<(), String> {
    let failed =
        |what: &str, e: io::Error| format!("cannot make '/dev/{what}' in the container: {e}");
    folder("/dev").map_err(|e| failed("", e))?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("devfs", "/dev", "tmpfs", flags, c"mode=0755,size=65536")
        .map_err(|e| failed("", e.into()))?;
    for (at, (name, major, minor)) in NODES.iter().enumerate() {
        let path = format!("/dev/{name}");
        let made = match nodes.get(at) {
            None => node(&path, makedev(*major, *minor)),
            Some(node) => File::create(&path)
                .and_then(|_| attach(node.as_fd(), &path).map_err(io::Error::from)),
        };
        made.map_err(|e| failed(name, e))?;
    }
    folder("/dev/pts").map_err(|e| failed("pts", e))?;
    let options = match plan.groups.is_empty() || covers(plan, 5) {
        true => c"newinstance,ptmxmode=0666,mode=0620,gid=5",
        false => c"newinstance,ptmxmode=0666,mode=0620",
    };
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("devpts", "/dev/pts", "devpts", flags, options).map_err(|e| failed("pts", e.into()))?;
    folder("/dev/shm").map_err(|e| failed("shm", e))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", "/dev/shm", "tmpfs", flags, c"mode=1777")
        .map_err(|e| failed("shm", e.into()))?;
    for (target, link) in LINKS {
        symlink(target, link).map_err(|e| failed(link, e))?;
    }
    Ok(())
}

/// Everyone's, whatever the umask.
fn node(path: &str, numbers: u64) -> io::Result<()> {
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, path, FileType::CharacterDevice, mode, numbers)?;
    Ok(chmodat(CWD, path, mode, AtFlags::empty())?)
}

/// Whether that group of the container is one of the host's.
fn covers(plan: &Plan, group: u32) -> bool {
    let mut ranges = plan.groups.iter();
    ranges.any(|range| group >= range.inside && group - range.inside < range.count)
}
