//! Giving the kernel a program for a group (bpf(2), `linux/bpf.h`).

#![allow(unsafe_code, reason = "bpf(2) has no safe interface")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::libc;

use super::program::Instruction;

/// Commands.
const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const PROG_QUERY: libc::c_long = 16;

/// `BPF_PROG_TYPE_CGROUP_DEVICE`
const KIND: u32 = 15;
/// `BPF_CGROUP_DEVICE`
const PLACE: u32 = 6;
/// `BPF_F_ALLOW_MULTI`: groups below may have further programs.
const MULTI: u32 = 2;

/// No group has more programs.
const PROGRAMS_MAX: usize = 64;

#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
}

#[repr(C)]
struct Attach {
    group: u32,
    program: u32,
    place: u32,
    flags: u32,
}

#[repr(C)]
struct Query {
    group: u32,
    place: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// # Safety
/// `T` is what the command takes; addresses in it are good for as much as it says.
unsafe fn bpf<T>(command: libc::c_long, argument: &mut T) -> io::Result<i32> {
    // SAFETY: the kernel reads and writes so many bytes of the value; the rest is the caller's word.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, argument, size_of::<T>()) };
    match answer {
        -1 => Err(io::Error::last_os_error()),
        other => i32::try_from(other).map_err(io::Error::other),
    }
}

fn number(fd: &impl AsRawFd) -> u32 {
    // An open descriptor's number is never negative.
    fd.as_raw_fd().unsigned_abs()
}

/// Has the program decide for a group; those that did before don't any more. All of a group's programs
/// have to allow, so nothing is allowed in between that either refuses.
pub(super) fn replace(group: &Path, program: &[Instruction]) -> io::Result<()> {
    let group = File::open(group)?;
    let before = attached(&group)?;
    let program = load(program)?;
    let mut attach = Attach {
        group: number(&group),
        program: number(&program),
        place: PLACE,
        flags: MULTI,
    };
    // SAFETY: the value is what the command takes, and has no addresses.
    unsafe { bpf(PROG_ATTACH, &mut attach) }?;
    for old in before {
        let mut detach = Attach {
            group: number(&group),
            program: number(&old),
            place: PLACE,
            flags: 0,
        };
        // SAFETY: as above.
        unsafe { bpf(PROG_DETACH, &mut detach) }?;
    }
    Ok(())
}

fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut load = Load {
        kind: KIND,
        count: u32::try_from(program.len()).map_err(io::Error::other)?,
        instructions: program.as_ptr().addr() as u64,
        license: license.as_ptr().addr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel: 0,
        flags: 0,
        name: *b"virt_devices\0\0\0\0",
    };
    // SAFETY: both addresses are those of values that outlive the call, with as many instructions as it
    // says and a final zero.
    let fd = unsafe { bpf(PROG_LOAD, &mut load) }?;
    // SAFETY: the kernel has just made it for us; it is close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The programs that decide for a group now.
fn attached(group: &File) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0u32; PROGRAMS_MAX];
    let mut query = Query {
        group: number(group),
        place: PLACE,
        query_flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr().addr() as u64,
        count: ids.len() as u32,
        padding: 0,
    };
    // SAFETY: there is room for as many numbers as it says.
    unsafe { bpf(PROG_QUERY, &mut query) }?;
    let count = usize::try_from(query.count).unwrap_or(0);
    let programs = ids.iter().take(count).map(|id| {
        let mut by_id = ById {
            id: *id,
            next: 0,
            flags: 0,
        };
        // SAFETY: the value is what the command takes, and has no addresses.
        let fd = unsafe { bpf(PROG_GET_FD_BY_ID, &mut by_id) }?;
        // SAFETY: the kernel has just made it for us; it is close-on-exec.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    });
    programs.collect()
}

#[cfg(test)]
mod tests {
    use super::super::{DeviceRule, program};
    use super::*;
    use std::collections::BTreeSet;
    use std::process::Command;

    const UNIFIED: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

    fn may_use(group: &Path, device: &str) -> bool {
        let script = format!("echo $$ >{}/cgroup.procs && : <{device}", group.display());
        let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
        ran.status.success()
    }

    #[test]
    fn a_group_of_version_2_uses_what_is_allowed_last() {
        let root = UNIFIED.map(Path::new).into_iter();
        let mut root = root.filter(|root| root.join("cgroup.procs").exists());
        let Some(root) = root.next().filter(|_| rustix::process::geteuid().is_root()) else {
            eprintln!("SKIPPED: takes root and the hierarchy of version 2");
            return;
        };
        let group = root.join(format!("device-filter-{}", std::process::id()));
        std::fs::create_dir(&group).unwrap();
        let allow = |minors: &[u32]| -> BTreeSet<DeviceRule> {
            let rules = minors.iter().map(|minor| DeviceRule {
                block: false,
                major: 1,
                minor: Some(*minor),
            });
            rules.collect()
        };
        replace(&group, &program::of(&allow(&[3]))).unwrap();
        let first = [may_use(&group, "/dev/null"), may_use(&group, "/dev/zero")];
        replace(&group, &program::of(&allow(&[3, 5]))).unwrap();
        let second = [may_use(&group, "/dev/null"), may_use(&group, "/dev/zero")];
        let count = attached(&File::open(&group).unwrap()).unwrap().len();
        std::fs::remove_dir(&group).unwrap();
        assert_eq!((first, second, count), ([true, false], [true, true], 1));
    }
}
