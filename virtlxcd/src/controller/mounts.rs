//! What a container sees of files. Sources on the host are opened before its root becomes the root;
//! everything else happens below the new root, where no link that a container planted leads out.

use std::ffi::CString;
use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount,
    mount_bind_recursive, mount_change, mount_remount, move_mount, open_tree, unmount,
};

use super::file_systems;
use crate::plan::{Plan, Source};

/// Where lxcfs has its files of `/proc`.
const LXCFS: &str = "/var/lib/lxcfs/proc";

/// Where the kernel's own file system of a host has control groups; where `/sys` is empty there is no
/// such folder.
const GROUPS: &str = "/sys/fs/cgroup";

/// Where a root that is no folder of the host stands until it is the root; any folder will do.
const PLACE: &str = "/tmp";

/// What is seen of the kernel that could change the host; shown read-only.
const KERNEL: [&str; 5] = [
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/irq",
    "/proc/bus",
    "/proc/fs",
];

/// The file systems on block devices that a container gets, made ready while this process is the
/// host's.
#[derive(Debug)]
pub(super) struct OnDevices {
    root: Option<OwnedFd>,
    /// For each mount of the plan.
    mounts: Vec<Option<OwnedFd>>,
}

impl OnDevices {
    /// Those of a plan.
    pub(super) fn of(plan: &Plan) -> Result<Self, String> {
        let context = plan.files_context();
        let ready = |what: &Source, readonly| match what {
            Source::Device(device) => file_systems::of_device(device, readonly, context).map(Some),
            _ => Ok(None),
        };
        let mounts = plan.mounts.iter();
        let mounts = mounts.map(|mount| ready(&mount.what, mount.readonly));
        Ok(Self {
            root: ready(&plan.root, plan.root_readonly)?,
            mounts: mounts.collect::<Result<_, _>>()?,
        })
    }
}

/// Makes the container's root the root of this process, with what is mounted below.
pub(super) fn enter(plan: &Plan, ready: OnDevices) -> Result<(), String> {
    mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )
    .map_err(|e| format!("cannot set the host's mounts apart: {e}"))?;
    let mounts = plan.mounts.iter().zip(ready.mounts);
    let sources = mounts.map(|(mount, ready)| match &mount.what {
        Source::Host(path) => tree(path).map(Some),
        _ => Ok(ready),
    });
    let sources: Vec<Option<OwnedFd>> = sources.collect::<Result<_, _>>()?;
    // While the host's are seen: who maps users may not see more of them than before.
    let kernel = Kernel::new(plan)?;
    let views = views();
    let (root, at) = match (&plan.root, ready.root) {
        (Source::Host(path), _) => (tree(path)?, path.as_str()),
        (_, Some(root)) => (root, PLACE),
        (other, None) => return Err(format!("{other:?} is no root")),
    };
    let failed = |e: rustix::io::Errno| format!("cannot make '{at}' the root: {e}");
    attach(root.as_fd(), at).map_err(failed)?;
    rustix::process::fchdir(&root).map_err(failed)?;
    rustix::process::pivot_root(".", ".").map_err(failed)?;
    unmount(".", UnmountFlags::DETACH).map_err(failed)?;
    rustix::process::chdir("/").map_err(failed)?;
    kernel.show()?;
    for (name, view) in views {
        let target = format!("/proc/{name}");
        attach(view.as_fd(), &target)
            .map_err(|e| format!("cannot mount '{target}' in the container: {e}"))?;
    }
    for (one, source) in plan.mounts.iter().zip(sources) {
        let failed = |e: io::Error| format!("cannot mount '{}' in the container: {e}", one.target);
        folder(&one.target).map_err(failed)?;
        let mounted = match (&one.what, source) {
            (_, Some(source)) => attach(source.as_fd(), &one.target),
            (Source::Container(path), None) => mount_bind_recursive(&**path, &*one.target),
            (Source::Memory(bytes), None) => {
                let options = format!("size={bytes},mode=0755");
                let options = labelled(&options, plan).map_err(failed)?;
                let flags = MountFlags::NOSUID | MountFlags::NODEV;
                mount("tmpfs", &*one.target, "tmpfs", flags, &*options)
            }
            (Source::Host(_) | Source::Device(_), None) => Ok(()), // Opened above.
        };
        mounted.map_err(|e| failed(e.into()))?;
        if one.readonly {
            readonly(&one.target)?;
        }
    }
    Ok(())
}

/// Files of `/proc` that show what the reader's group may use instead of what the host has, where the
/// host's lxcfs serves them (lxcfs(1)).
fn views() -> Vec<(String, OwnedFd)> {
    let files = std::fs::read_dir(LXCFS).into_iter().flatten().flatten();
    let views = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        let path = file.path();
        let known = Path::new("/proc").join(&name).is_file();
        let view = known.then(|| tree(&path.to_string_lossy()).ok())??;
        Some((name, view))
    });
    views.collect()
}

/// Options of a file system that is made for the container, with the security context of all that is in it.
pub(super) fn labelled(options: &str, plan: &Plan) -> io::Result<CString> {
    let options = match plan.files_context() {
        // In quotes: categories have commas.
        Some(context) => format!("{options},context=\"{context}\""),
        None => options.to_owned(),
    };
    CString::new(options).map_err(io::Error::other)
}

/// What comes last, as it keeps from writing.
pub(super) fn finish(plan: &Plan) -> Result<(), String> {
    match plan.root_readonly {
        true => readonly("/"),
        false => Ok(()),
    }
}

/// A copy of the mounts at a path of the host.
fn tree(path: &str) -> Result<OwnedFd, String> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags).map_err(|e| format!("cannot open '{path}': {e}"))
}

/// Shows a copy of mounts at a path.
pub(super) fn attach(tree: BorrowedFd<'_>, target: &str) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(tree, "", CWD, target, flags)
}

/// Keeps the container from writing there; what else the mount keeps it from stays.
fn readonly(target: &str) -> Result<(), String> {
    let failed =
        |e: rustix::io::Errno| format!("cannot make '{target}' read-only in the container: {e}");
    let has = statvfs(target).map_err(failed)?.f_flag;
    let kept = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let kept = kept.into_iter().filter(|(flag, _)| has.contains(*flag));
    let flags = kept.fold(MountFlags::BIND | MountFlags::RDONLY, |all, (_, flag)| {
        all | flag
    });
    mount_remount(target, flags, "").map_err(failed)
}

/// Makes a folder of the container with those above it.
pub(super) fn folder(path: &str) -> io::Result<()> {
    if Path::new(path).is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|e| match e.kind() {
        io::ErrorKind::PermissionDenied => io::Error::other(
            "it is not there, and the container's root can't make it: make it in the root folder, or \
             give that to the host's ids of <idmap> (chown)",
        ),
        _ => e,
    })
}

/// The kernel's own file systems, not yet seen.
struct Kernel {
    proc: OwnedFd,
    sys: OwnedFd,
    /// Version 2 of control groups, from the container's own downwards.
    groups: Option<OwnedFd>,
}

impl Kernel {
    fn new(plan: &Plan) -> Result<Self, String> {
        let plain = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        // With users of its own and the host's network the kernel lets nobody mount it: then it is
        // empty.
        let sys = match plan.users.is_empty() || plan.own_network {
            true => "sysfs",
            false => "tmpfs",
        };
        let groups = plan.cgroup.as_ref().map(|_| unseen("cgroup2", &[], plain));
        Ok(Self {
            proc: unseen("proc", &[], plain)?,
            sys: unseen(sys, &[], plain | MountAttrFlags::MOUNT_ATTR_RDONLY)?,
            groups: groups.transpose()?,
        })
    }

    fn show(&self) -> Result<(), String> {
        for (mount, target) in [(&self.proc, "/proc"), (&self.sys, "/sys")] {
            let failed = |e: io::Error| format!("cannot mount '{target}' in the container: {e}");
            folder(target).map_err(failed)?;
            attach(mount.as_fd(), target).map_err(|e| failed(e.into()))?;
        }
        if let Some(groups) = &self.groups
            && Path::new(GROUPS).is_dir()
        {
            attach(groups.as_fd(), GROUPS)
                .map_err(|e| format!("cannot mount '{GROUPS}' in the container: {e}"))?;
        }
        for path in KERNEL.iter().filter(|path| Path::new(path).exists()) {
            mount_bind_recursive(*path, *path)
                .map_err(|e| format!("cannot mount '{path}' in the container: {e}"))?;
            readonly(path)?;
        }
        Ok(())
    }
}

/// Makes a file system of the kernel's own, seen nowhere yet.
pub(super) fn unseen(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, String> {
    let make = || {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            fsconfig_set_string(&context, *key, *value)?;
        }
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    make().map_err(|e: rustix::io::Errno| format!("cannot make '{kind}' for the container: {e}"))
}
