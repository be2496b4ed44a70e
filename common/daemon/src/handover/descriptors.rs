//! Descriptors that are known by their numbers only.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// The descriptors that came along, each to be taken once.
#[derive(Debug, Default)]
pub struct Descriptors(BTreeMap<RawFd, OwnedFd>);

impl Descriptors {
    /// Takes over the descriptors of those numbers and closes them on the next exec.
    ///
    /// # Errors
    /// One is not open: a sentence that names its number.
    pub(super) fn own(numbers: impl Iterator<Item = RawFd>) -> Result<Self, String> {
        let mut owned = BTreeMap::new();
        for number in numbers {
            if number <= 2 || owned.contains_key(&number) {
                return Err(format!("descriptor {number} can't have been left to us"));
            }
            let fd = own(number)
                .ok_or_else(|| format!("descriptor {number}, which was left to us, is not open"))?;
            owned.insert(number, fd);
        }
        Ok(Self(owned))
    }

    /// The descriptor of that number.
    ///
    /// # Errors
    /// It did not come along, or was taken: a sentence.
    pub fn take(&mut self, number: RawFd) -> Result<OwnedFd, String> {
        self.0
            .remove(&number)
            .ok_or_else(|| format!("descriptor {number} is named but did not come along"))
    }
}

impl From<Vec<OwnedFd>> for Descriptors {
    fn from(open: Vec<OwnedFd>) -> Self {
        Self(open.into_iter().map(|fd| (fd.as_raw_fd(), fd)).collect())
    }
}

#[allow(unsafe_code, reason = "what survives an exec are bare numbers")]
fn own(number: RawFd) -> Option<OwnedFd> {
    // One call for each of what may be ten thousand, while clients wait.
    // SAFETY: setting the flag of a number that isn't open fails and changes nothing; of an open one
    // it changes only whether an exec closes it.
    let open = unsafe { nix::libc::fcntl(number, nix::libc::F_SETFD, nix::libc::FD_CLOEXEC) } >= 0;
    // SAFETY: the number is open, and the program that ran in this process before wrote it down as
    // one that nobody but its successor takes; `Descriptors::own` takes each number once.
    open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}

/// Whether the descriptor survives an exec.
pub(super) fn set_close_on_exec(fd: &OwnedFd, close: bool) -> nix::Result<()> {
    let flags = if close {
        FdFlag::FD_CLOEXEC
    } else {
        FdFlag::empty()
    };
    fcntl(fd, FcntlArg::F_SETFD(flags)).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;

    use super::*;

    #[test]
    fn each_is_taken_once_and_none_is_invented() {
        let number = std::fs::File::open("/dev/null").unwrap().into_raw_fd();
        let mut owned = Descriptors::own([number].into_iter()).unwrap();
        assert_eq!(owned.take(number).unwrap().as_raw_fd(), number);
        assert!(owned.take(number).is_err());
        assert!(Descriptors::own([1].into_iter()).is_err());
        assert!(Descriptors::own([1_000_000].into_iter()).is_err());
    }
}
