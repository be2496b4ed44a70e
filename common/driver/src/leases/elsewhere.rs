//! Who has a lock that this host's virtlockd knows nothing of, as far as that can be told: the guest
//! that is noted in a lease's own file, a process of this host, or the server whose other hosts may
//! have it.
//!
//! The kernel names the process of a lock that a process has, and a negative number for one of an
//! open file description or of another host (fcntl(2)); `/proc/PID/fdinfo` lists the locks of
//! descriptors, mountinfo what a file is on (proc(5)).

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use time::OffsetDateTime;
use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::lock::Owner;

use super::Resource;

/// The longest note that is read, bytes.
const MAX_NOTE: u64 = 1024;

/// What a note begins with.
const NOTE: &str = "guest '";

fn path(resource: &Resource) -> PathBuf {
    match resource.space.as_str() {
        "" => PathBuf::from(&resource.name),
        space => Path::new(space).join(&resource.name),
    }
}

/// Whether nobody has a lock that keeps this one from being had. What can't be looked at is left to
/// who takes the lock. Blocks.
///
/// # Errors
/// RESOURCE_BUSY with who is in the way.
pub(super) fn check(resource: &Resource) -> Result<()> {
    let path = path(resource);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(&path);
    let Ok(file) = file else { return Ok(()) };
    let Some(pid) = in_the_way(&file, resource.shared) else {
        return Ok(());
    };
    let who = match resource.transient.then(|| note(&file)).flatten() {
        Some(noted) => noted,
        None => unnoted(&file, &path, pid),
    };
    Err(Error::new(
        ErrorCode::ResourceBusy,
        ErrorDomain::Lockspace,
        format!(
            "Lockspace resource '{}'{} is locked by {who}",
            resource.name,
            of_what(resource)
        ),
    ))
}

/// Names what a lease is for, where its name does not.
fn of_what(resource: &Resource) -> String {
    match resource.space.as_str() {
        "" => String::new(),
        _ => format!(" of {}", resource.purpose),
    }
}

/// A refusal of virtlockd's, with what the lease is for.
pub(super) fn named(refusal: Error, resource: &Resource) -> Error {
    let known = format!("'{}'", resource.name);
    match refusal.detail() {
        Some(detail) if refusal.is(ErrorCode::ResourceBusy) => Error::new(
            ErrorCode::ResourceBusy,
            ErrorDomain::Lockspace,
            detail.replacen(&known, &format!("{known}{}", of_what(resource)), 1),
        ),
        _ => refusal,
    }
}

/// The process of a lock on byte 0 that excludes ours, by the kernel's number.
fn in_the_way(file: &File, shared: bool) -> Option<i32> {
    let kind = match shared {
        true => libc::F_RDLCK,
        false => libc::F_WRLCK,
    };
    let mut lock = libc::flock {
        // The constants are 0, 1 and 2.
        l_type: i16::try_from(kind).unwrap_or_default(),
        // 0.
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock)).ok()?;
    (i32::from(lock.l_type) != libc::F_UNLCK).then_some(lock.l_pid)
}

fn unnoted(file: &File, path: &Path, pid: i32) -> String {
    let local = match pid {
        1.. => Some(pid.unsigned_abs()),
        _ => descriptor_of(file),
    };
    if let Some(pid) = local {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        return match name.trim() {
            "nfsd" | "lockd" => "a client of this host's own NFS server".to_owned(),
            name => format!(
                "process {pid} ({name}) of this host, whose guests this host's virtlockd does not know"
            ),
        };
    }
    match server(path) {
        Some(server) => format!(
            "another host that uses '{server}', or by a guest of this host whose virtlockd is not \
             this one"
        ),
        None => {
            "a guest of this host whose virtlockd is not this one, or by another host".to_owned()
        }
    }
}

/// A process that has a locked descriptor of the file.
fn descriptor_of(file: &File) -> Option<u32> {
    let meta = file.metadata().ok()?;
    let (major, minor) = (libc::major(meta.dev()), libc::minor(meta.dev()));
    let place = format!(" {major:02x}:{minor:02x}:{} 0 0", meta.ino());
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|pid: &u32| {
            let infos = fs::read_dir(format!("/proc/{pid}/fdinfo"));
            let infos = infos.into_iter().flatten().flatten();
            infos.into_iter().any(|info| {
                let text = fs::read_to_string(info.path()).unwrap_or_default();
                has_lock(&text, &place)
            })
        })
}

fn has_lock(fdinfo: &str, place: &str) -> bool {
    fdinfo
        .lines()
        .any(|line| line.starts_with("lock:") && line.ends_with(place))
}

/// The server that a file is on, and what of it.
fn server(path: &Path) -> Option<String> {
    let path = fs::canonicalize(path).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    server_in(&mounts, path.to_str()?)
}

/// The same in the text of mountinfo: of the mounts that the path is below, the longest; of several
/// in one place, the last.
fn server_in(mounts: &str, path: &str) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let place = before.split(' ').nth(4)?;
        let mut words = after.split(' ');
        Some((place, words.next()?, words.next()?))
    });
    let (_, kind, source) = mounts
        .filter(|(place, ..)| Path::new(path).starts_with(place))
        .max_by_key(|(place, ..)| place.len())?;
    let is_remote = kind.starts_with("nfs") || matches!(kind, "cifs" | "ceph" | "gfs2" | "ocfs2");
    is_remote.then(|| source.to_owned())
}

/// Writes into a lease's own file who has it, for other hosts to tell. libvirt leaves these files
/// empty and does not read them. One that is shared says nothing: it would not be known who of them
/// still has it. Blocks; a failure costs only the note.
pub(super) fn write_note(resource: &Resource, owner: &Owner) {
    if !resource.transient {
        return;
    }
    let file = OpenOptions::new()
        .write(true)
        .truncate(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path(resource));
    let text = match resource.shared {
        true => String::new(),
        false => of(owner, &host(), SystemTime::now()),
    };
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        tracing::debug!(name = resource.name, %error, "who has the lease is not noted in its file");
    }
}

fn host() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn of(owner: &Owner, host: &str, now: SystemTime) -> String {
    let now = OffsetDateTime::from(now);
    let (hour, minute, second) = now.time().as_hms();
    format!(
        "{NOTE}{}' (UUID {}, process {}) of host '{host}' since {} {hour:02}:{minute:02}:{second:02} \
         UTC\n",
        owner.name.escape_debug(),
        Uuid::from_bytes(owner.uuid),
        owner.pid,
        now.date(),
    )
}

fn note(file: &File) -> Option<String> {
    let mut bytes = Vec::new();
    file.take(MAX_NOTE).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let line = text.strip_suffix('\n')?;
    let is_one = line.starts_with(NOTE) && !line.chars().any(char::is_control);
    is_one.then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn resource(folder: &Path) -> Resource {
        Resource {
            space: folder.to_str().unwrap().to_owned(),
            name: "x".to_owned(),
            shared: false,
            transient: false,
            area: None,
            purpose: "disk '/i/a'".to_owned(),
        }
    }

    fn lock(path: &Path) -> File {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .unwrap();
        let lock = libc::flock {
            l_type: 1,
            l_whence: 0,
            l_start: 0,
            l_len: 1,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
        file
    }

    #[test]
    fn who_has_a_lock_is_told_by_its_note_or_by_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut lease = resource(folder.path());
        lease.transient = true;
        assert!(check(&lease).is_ok(), "there is no such file");
        let held = lock(&folder.path().join("x"));
        let me = format!("process {} (", std::process::id());
        let error = check(&lease).unwrap_err();
        assert!(
            error.is(ErrorCode::ResourceBusy) && error.message().contains(&me),
            "{error}"
        );
        let owner = Owner {
            uuid: [7; 16],
            name: "web".to_owned(),
            id: 1,
            pid: 42,
        };
        write_note(&lease, &owner);
        let error = check(&lease).unwrap_err();
        let noted = "guest 'web' (UUID 07070707-0707-0707-0707-070707070707, process 42) of host '";
        assert!(error.message().contains(noted), "{error}");
        lease.transient = false;
        assert!(
            check(&lease).unwrap_err().message().contains(&me),
            "an image's bytes are no note"
        );
        let told = Error::new(
            ErrorCode::ResourceBusy,
            ErrorDomain::Lockspace,
            "resource 'x' is locked",
        );
        let told = named(told, &lease);
        assert!(
            told.message().contains("'x' of disk '/i/a' is locked"),
            "{told}"
        );
        drop(held);
        assert!(check(&lease).is_ok());
    }

    #[test]
    fn a_note_is_one_line_whatever_the_name() {
        let owner = Owner {
            uuid: [0; 16],
            name: "a\nb'".to_owned(),
            id: 1,
            pid: 1,
        };
        let text = of(
            &owner,
            "h",
            SystemTime::UNIX_EPOCH + Duration::from_secs(61),
        );
        assert!(
            text.ends_with(" of host 'h' since 1970-01-01 00:01:01 UTC\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_server_is_that_of_the_innermost_mount() {
        let mounts = "22 1 0:21 / / rw - ext4 /dev/a rw\n\
            30 22 0:40 / /srv rw,x shared:1 - nfs4 store:/images rw\n\
            31 30 0:41 / /srv/here rw - xfs /dev/b rw\n";
        let server = |path| server_in(mounts, path);
        assert_eq!(server("/srv/disk").as_deref(), Some("store:/images"));
        assert_eq!(server("/srv/here/disk"), None);
        assert_eq!(server("/srvx"), None);
    }
}
