//! A copy of a program that nobody can change.
//!
//! A container whose root is the host's may have its init be `/proc/self/exe`: the program that made the
//! container is then executed once more, with the container's own libraries, which can open it and write
//! to it once it no longer runs. So that program is no file of the host's: it is memory, sealed against
//! every change, of which one copy serves all containers.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, openat};
use rustix::io::Errno;

/// Above the numbers that descriptors of a program which is started can have.
const ABOVE: i32 = 64;

/// The copy. It can be executed as long as this is there.
#[derive(Debug)]
pub struct Sealed(OwnedFd);

impl Sealed {
    /// A copy of the program in that file.
    ///
    /// # Errors
    /// It can't be read; the kernel has no memory to give, or lets nobody execute any
    /// (`vm.memfd_noexec`).
    pub fn of(program: &Path) -> io::Result<Self> {
        let mut from = File::open(program)?;
        let name = program.file_name().unwrap_or(program.as_os_str());
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = match memfd_create(name, flags | MemfdFlags::EXEC) {
            // Before Linux 6.3 all of them could be executed, and none could say so.
            Err(Errno::INVAL) => memfd_create(name, flags),
            other => other,
        }?;
        let mut memory = File::from(memory);
        io::copy(&mut from, &mut memory)?;
        let all = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
        fcntl_add_seals(&memory, all)?;
        // What is open for writing can't be executed.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let readable = openat(CWD, path(&memory), flags, Mode::empty())?;
        Ok(Self(rustix::io::fcntl_dupfd_cloexec(&readable, ABOVE)?))
    }

    /// The path by which this process and those that it makes execute it.
    pub fn path(&self) -> PathBuf {
        path(&self.0)
    }
}

fn path(of: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", of.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_and_can_not_be_written_to() {
        let sealed = Sealed::of(Path::new("/bin/true")).unwrap();
        let ran = std::process::Command::new(sealed.path()).status();
        assert!(ran.unwrap().success());
        let mut opened = File::options().write(true).open(sealed.path()).unwrap();
        let refused = io::Write::write(&mut opened, b"x").unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(nix::libc::EPERM));
        assert!(opened.set_len(0).is_err());
    }
}
