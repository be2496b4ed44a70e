//! Giving a file to a guest's user, and back.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::file::File;
use crate::memory::{BOOT, COUNT, Memory, OWNER};
use crate::owner::Owner;

/// How often the lock is asked for, a millisecond apart (WIRE.md section 16, last paragraph).
const LOCK_TRIES: u32 = 10_000;

/// Whether the first owner is noted in the file's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remember {
    /// It is, where the file system can.
    Yes,
    /// It is not: the file is read only or shared, or `remember_owner` is off.
    No,
}

/// Makes a file `owner`'s. Blocks; another daemon may hold the file for a moment.
///
/// # Errors
/// SYSTEM_ERROR that names the file; OPERATION_INVALID when another guest uses it as somebody
/// else's.
pub fn give(path: &Path, owner: Owner, remember: Remember) -> Result<()> {
    let mut file = File::find(path).map_err(|e| failed("find", path, &e))?;
    let _lock = match remember {
        Remember::Yes => lock(&mut file, path)?,
        Remember::No => None,
    };
    if remember == Remember::Yes && file.can_note() {
        let memory = match read(&file) {
            Ok(memory) => memory,
            Err(error) if cannot_note(&error) => return take(&mut file, path, owner),
            Err(error) => return Err(failed("read the remembered owner of", path, &error)),
        };
        let more = Memory::with_one_more(memory, file.owner(), owner).map_err(|memory| {
            let what = format!(
                "'{}' belongs to {} while {} guests use it and can't be given to {owner}; stop \
                 them, or let all guests that share it run as one user",
                path.display(),
                file.owner(),
                memory.users
            );
            Error::new(ErrorCode::OperationInvalid, ErrorDomain::Security, what)
        })?;
        match write(&file, Some(more)) {
            Err(error) if !cannot_note(&error) => {
                return Err(failed("remember the owner of", path, &error));
            }
            _ => {}
        }
    }
    take(&mut file, path, owner)
}

/// Gives a file back: to its first owner where one is remembered and nobody else uses it, to root
/// where none is. A file that is gone is no error. Blocks as [`give`].
///
/// # Errors
/// SYSTEM_ERROR that names the file.
pub fn give_back(path: &Path, remember: Remember) -> Result<()> {
    let mut file = match File::find(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("find", path, &error)),
    };
    if remember == Remember::No {
        // Others may use a shared or read-only file, and nobody counts them: it stays.
        return Ok(());
    }
    let _lock = lock(&mut file, path)?;
    let memory = match file.can_note() {
        true => read(&file).or_else(|e| if cannot_note(&e) { Ok(None) } else { Err(e) }),
        false => Ok(None),
    }
    .map_err(|e| failed("read the remembered owner of", path, &e))?;
    let owner = match memory.map(Memory::with_one_less) {
        None => Owner::ROOT,
        Some(Err(owner)) => owner,
        Some(Ok(less)) => {
            return write(&file, Some(less)).map_err(|e| failed("remember the owner of", path, &e));
        }
    };
    if memory.is_some() {
        write(&file, None).map_err(|e| failed("forget the owner of", path, &e))?;
    }
    take(&mut file, path, owner)
}

fn take(file: &mut File, path: &Path, owner: Owner) -> Result<()> {
    if file.owner() == owner {
        return Ok(());
    }
    file.set_owner(owner).map_err(|e| {
        let what = format!(
            "unable to set user and group to '{owner}' on '{}'",
            path.display()
        );
        Error::system(ErrorDomain::Security, what, &e)
    })
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    let what = format!("Failed to {what} '{}'", path.display());
    Error::system(ErrorDomain::Security, what, error)
}

/// Files that a thread of this process has locked: the kernel's lock is the whole process's.
static LOCKED: Mutex<BTreeSet<(u64, u64)>> = Mutex::new(BTreeSet::new());

/// A file's lock, as long as it is held.
struct Locked {
    file: (u64, u64),
    /// The kernel's lock goes with it.
    opened: Option<std::fs::File>,
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Before another thread gets it: closing any descriptor of the file ends the process's lock.
        self.opened = None;
        locked().remove(&self.file);
    }
}

fn locked() -> MutexGuard<'static, BTreeSet<(u64, u64)>> {
    // Nothing can panic while it is held.
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock that libvirt's daemons take: a classic write lock on byte 1. What can't be opened for
/// writing (a read-only file system) has none. Whose the file is is looked at again with the lock.
fn lock(file: &mut File, path: &Path) -> Result<Option<Locked>> {
    if !file.can_note() {
        return Ok(None);
    }
    let mut tries = 0..LOCK_TRIES;
    while !locked().insert(file.identity()) {
        wait(&mut tries, "another thread of this daemon", path)?;
    }
    let mut held = Locked {
        file: file.identity(),
        opened: file.open().ok(),
    };
    if let Some(opened) = &mut held.opened {
        let range = nix::libc::flock {
            l_type: nix::libc::F_WRLCK as i16,
            l_whence: nix::libc::SEEK_SET as i16,
            l_start: 1,
            l_len: 1,
            l_pid: 0,
        };
        loop {
            match fcntl(&*opened, FcntlArg::F_SETLK(&range)) {
                Ok(_) => break,
                Err(nix::Error::EACCES | nix::Error::EAGAIN) => {
                    wait(&mut tries, "another process", path)?;
                }
                Err(error) => return Err(failed("lock", path, &error.into())),
            }
        }
    }
    file.look_again().map_err(|e| failed("find", path, &e))?;
    Ok(Some(held))
}

/// Waits for the next try, if there is one.
fn wait(tries: &mut std::ops::Range<u32>, who: &str, path: &Path) -> Result<()> {
    if tries.next().is_some() {
        sleep(Duration::from_millis(1));
        return Ok(());
    }
    let what = format!(
        "{who} holds the lock on byte 1 of '{}' for too long",
        path.display()
    );
    Err(Error::new(
        ErrorCode::OperationTimeout,
        ErrorDomain::Security,
        what,
    ))
}

fn read(file: &File) -> io::Result<Option<Memory>> {
    let [owner, count, boot] = [OWNER, COUNT, BOOT].map(|name| file.attribute(name));
    let (owner, count, boot) = (owner?, count?, boot?);
    Ok(Memory::read(
        owner.as_deref(),
        count.as_deref(),
        boot.as_deref(),
        boot_time()?,
    ))
}

fn write(file: &File, memory: Option<Memory>) -> io::Result<()> {
    let (owner, count, boot) = match memory {
        Some(memory) => (
            Some(memory.owner.to_string()),
            Some(memory.users.to_string()),
            Some(boot_time()?.to_string()),
        ),
        None => (None, None, None),
    };
    file.set_attribute(BOOT, boot.as_deref())?;
    file.set_attribute(OWNER, owner.as_deref())?;
    file.set_attribute(COUNT, count.as_deref())
}

/// The file system has no such attributes, or we have not the privilege to use them.
fn cannot_note(error: &io::Error) -> bool {
    let known = [
        rustix::io::Errno::NOTSUP,
        rustix::io::Errno::NOSYS,
        rustix::io::Errno::PERM,
        rustix::io::Errno::ROFS,
    ];
    known
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// When the host booted, in seconds since 1970: `btime` of proc(5), which does not move.
fn boot_time() -> io::Result<u64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    stat.lines()
        .find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
        .ok_or_else(|| io::Error::other("/proc/stat has no btime"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, chown};

    use super::*;

    const GUEST: Owner = Owner {
        uid: 64055,
        gid: 993,
    };

    fn owner(path: &Path) -> (u32, u32) {
        let found = std::fs::metadata(path).unwrap();
        (found.uid(), found.gid())
    }

    fn as_root() -> bool {
        let root = rustix::process::geteuid().is_root();
        if !root {
            println!("SKIPPED: needs root to change owners");
        }
        root
    }

    /// A file whose owner can be remembered, and its folder.
    fn disk() -> (tempfile::TempDir, std::path::PathBuf) {
        // Beside the test program: /tmp may lack trusted attributes.
        let program = std::env::current_exe().unwrap();
        let dir = tempfile::tempdir_in(program.parent().unwrap()).unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, "x").unwrap();
        (dir, path)
    }

    #[test]
    fn a_file_goes_to_the_guest_and_back_to_its_owner() {
        if !as_root() {
            return;
        }
        let (_dir, path) = disk();
        chown(&path, Some(1000), Some(1001)).unwrap();
        give(&path, GUEST, Remember::Yes).unwrap();
        give(&path, GUEST, Remember::Yes).unwrap();
        assert_eq!(owner(&path), (64055, 993));
        let other = Owner { uid: 7, gid: 7 };
        let refused = give(&path, other, Remember::Yes).unwrap_err();
        assert!(refused.is(ErrorCode::OperationInvalid), "{refused}");
        give_back(&path, Remember::Yes).unwrap();
        assert_eq!(owner(&path), (64055, 993));
        give_back(&path, Remember::Yes).unwrap();
        assert_eq!(owner(&path), (1000, 1001));
        assert!(
            File::find(&path)
                .unwrap()
                .attribute(OWNER)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn many_give_a_file_and_give_it_back_at_once() {
        if !as_root() {
            return;
        }
        let (_dir, path) = disk();
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    for _ in 0..100 {
                        give(&path, GUEST, Remember::Yes).unwrap();
                        assert_eq!(owner(&path), (64055, 993));
                        give_back(&path, Remember::Yes).unwrap();
                    }
                });
            }
        });
        assert_eq!(owner(&path), (0, 0));
        let count = File::find(&path).unwrap().attribute(COUNT).unwrap();
        assert!(count.is_none());
    }

    #[test]
    fn a_file_nobody_remembers_goes_to_root_and_a_missing_one_nowhere() {
        if !as_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        std::fs::write(&path, "x").unwrap();
        chown(&path, Some(1000), Some(1000)).unwrap();
        give_back(&path, Remember::Yes).unwrap();
        assert_eq!(owner(&path), (0, 0));
        give_back(&dir.path().join("gone"), Remember::Yes).unwrap();
        assert!(give(&dir.path().join("gone"), GUEST, Remember::Yes).is_err());
    }
}
