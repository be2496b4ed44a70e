//! A container's `/dev`: memory with the devices that harm nobody, those of the host that it was given,
//! its terminals, and nothing else.
//!
//! The controller makes it, which is the host's root: a container that maps its users could neither
//! make devices nor use any in a file system of its own making.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chmodat, chownat, makedev, mkdirat,
    mknodat, openat2, symlinkat,
};
use rustix::mount::{MountAttrFlags, MountFlags, mount};

use super::mounts::{attach, folder, labelled, unseen};
use crate::plan::{Node, Plan};

/// Name, major and minor number of what every container has (the kernel's `devices.txt`): it harms nobody.
pub(crate) const NODES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// Folders that other file systems are mounted on.
const FOLDERS: [&str; 2] = ["pts", "shm"];

/// Makes it, seen nowhere yet.
pub(super) fn make(plan: &Plan) -> Result<OwnedFd, String> {
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mut options = vec![("source", "devfs"), ("mode", "0755"), ("size", "65536")];
    options.extend(plan.files_context().map(|context| ("context", context)));
    let made = unseen("tmpfs", &options, flags)?;
    let dev = Dev {
        folder: made.as_fd(),
        owner: plan.root_ids(),
    };
    let failed =
        |what: &str, e: io::Error| format!("cannot make '/dev/{what}' in the container: {e}");
    dev.own(".").map_err(|e| failed("", e.into()))?;
    for (name, major, minor) in NODES {
        let node = Node {
            path: name.to_owned(),
            block: false,
            major,
            minor,
            mode: 0o666,
        };
        dev.node(&node).map_err(|e| failed(name, e))?;
    }
    for node in &plan.nodes {
        dev.node(node).map_err(|e| failed(&node.path, e))?;
    }
    for name in FOLDERS {
        dev.folder(name).map_err(|e| failed(name, e.into()))?;
    }
    for (target, link) in LINKS {
        symlinkat(target, &made, link).map_err(|e| failed(link, e.into()))?;
    }
    Ok(made)
}

/// Shows it in the container, with terminals of its own and shared memory.
pub(super) fn show(dev: &OwnedFd, plan: &Plan) -> Result<(), String> {
    let failed =
        |what: &str, e: io::Error| format!("cannot mount '/dev{what}' in the container: {e}");
    folder("/dev").map_err(|e| failed("", e))?;
    attach(dev.as_fd(), "/dev").map_err(|e| failed("", e.into()))?;
    let options = match plan.groups.is_empty() || covers(plan, 5) {
        true => "newinstance,ptmxmode=0666,mode=0620,gid=5",
        false => "newinstance,ptmxmode=0666,mode=0620",
    };
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    let options = labelled(options, plan).map_err(|e| failed("/pts", e))?;
    mount("devpts", "/dev/pts", "devpts", flags, &*options)
        .map_err(|e| failed("/pts", e.into()))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let options = labelled("mode=1777", plan).map_err(|e| failed("/shm", e))?;
    mount("tmpfs", "/dev/shm", "tmpfs", flags, &*options).map_err(|e| failed("/shm", e.into()))
}

/// A container's `/dev` that is made or changed.
#[derive(Debug)]
pub(crate) struct Dev<'a> {
    /// The folder.
    pub(crate) folder: BorrowedFd<'a>,
    /// The host's user and group that are the container's root.
    pub(crate) owner: (u32, u32),
}

impl Dev<'_> {
    /// Makes a device, with the folders above it. Links are not followed: the container may have made
    /// them.
    pub(crate) fn node(&self, node: &Node) -> io::Result<()> {
        let (above, name) = self.place(&node.path, true)?;
        let kind = match node.block {
            true => FileType::BlockDevice,
            false => FileType::CharacterDevice,
        };
        let mode = Mode::from_raw_mode(node.mode);
        mknodat(&above, &*name, kind, mode, makedev(node.major, node.minor))?;
        let dev = Dev {
            folder: above.as_fd(),
            owner: self.owner,
        };
        dev.own(&name)?;
        // Whatever the umask.
        Ok(chmodat(&above, &*name, mode, AtFlags::empty())?)
    }

    /// Removes one.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        let (above, name) = self.place(path, false)?;
        Ok(rustix::fs::unlinkat(&above, &*name, AtFlags::empty())?)
    }

    /// The folder that a path ends in, and the name there.
    fn place(&self, path: &str, make: bool) -> io::Result<(OwnedFd, String)> {
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let name = parts.pop().filter(|name| !matches!(*name, "." | ".."));
        let name = name.ok_or_else(|| io::Error::other("it is no path of a device"))?;
        let mut above = self.open(self.folder, ".")?;
        for part in parts {
            if make {
                let dev = Dev {
                    folder: above.as_fd(),
                    owner: self.owner,
                };
                match dev.folder(part) {
                    Err(rustix::io::Errno::EXIST) | Ok(()) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            above = self.open(above.as_fd(), part)?;
        }
        Ok((above, name.to_owned()))
    }

    fn open(&self, folder: BorrowedFd<'_>, name: &str) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        openat2(folder, name, flags, Mode::empty(), resolve)
    }

    fn folder(&self, name: &str) -> rustix::io::Result<()> {
        mkdirat(self.folder, name, Mode::from_raw_mode(0o755))?;
        self.own(name)
    }

    fn own(&self, name: &str) -> rustix::io::Result<()> {
        let (user, group) = self.owner;
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        chownat(self.folder, name, Some(user), Some(group), flags)
    }
}

/// Whether that group of the container is one of the host's.
fn covers(plan: &Plan, group: u32) -> bool {
    let mut ranges = plan.groups.iter();
    ranges.any(|range| group >= range.inside && group - range.inside < range.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_was_planted_leads_nowhere() {
        let host = tempfile::tempdir().unwrap();
        let outside = host.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let inside = host.path().join("dev");
        std::fs::create_dir(&inside).unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("input")).unwrap();
        let folder = std::fs::File::open(&inside).unwrap();
        let uid = rustix::process::getuid().as_raw();
        let gid = rustix::process::getgid().as_raw();
        let dev = Dev {
            folder: folder.as_fd(),
            owner: (uid, gid),
        };
        for path in ["input/event0", "../outside/null", "", ".."] {
            assert!(dev.place(path, true).is_err(), "{path}");
            assert!(dev.remove(path).is_err(), "{path}");
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        let (_, name) = dev.place("bus/usb/001/002", true).unwrap();
        assert_eq!(name, "002");
        assert!(inside.join("bus/usb/001").is_dir());
    }
}
