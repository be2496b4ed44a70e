//! The pipes of one guest's output: the guest writes into the first, we write out of the second.
//!
//! Both outlive this program: they are handed over at a replacement, and systemd keeps them when the
//! program dies. What a guest wrote is in one of them or in the file at any moment, for the kernel
//! moves it from one to the next in single steps.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::source::{Pipe, shift};

/// What a pipe holds as the kernel makes it, in bytes (pipe(7)).
const USUAL: usize = 64 << 10;
/// What it is made to hold when a guest writes much.
const WIDE: usize = 1 << 20;

/// Both pipes.
#[derive(Debug)]
pub struct Pipes {
    /// The end of the first that is read.
    guest: OwnedFd,
    /// The ends of the second: the one that is read, then the one that is written. A file system that
    /// does not answer holds up whoever touches this pipe, and not the guest, who has the other.
    stage: (OwnedFd, OwnedFd),
}

impl Pipes {
    /// New pipes, and the end that the guest writes to.
    ///
    /// # Errors
    /// What the system refused.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        let (guest, write) = pipe_with(PipeFlags::CLOEXEC)?;
        // The guest's own end waits as its writer likes.
        rustix::io::ioctl_fionbio(&guest, true)?;
        let stage = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok((Self { guest, stage }, write))
    }

    /// Pipes that were there before, in the order of [`Self::numbers`].
    pub fn again([guest, read, write]: [OwnedFd; 3]) -> Self {
        Self {
            guest,
            stage: (read, write),
        }
    }

    /// The descriptors' numbers.
    pub fn numbers(&self) -> [RawFd; 3] {
        self.ends().map(|end| end.as_raw_fd())
    }

    /// The descriptors.
    pub fn ends(&self) -> [BorrowedFd<'_>; 3] {
        [&self.guest, &self.stage.0, &self.stage.1].map(OwnedFd::as_fd)
    }

    /// What is on its way into the file.
    pub fn staged(&self) -> Pipe<'_> {
        Pipe::new(&self.stage.0)
    }

    /// Moves on what the guest has written; how much that was, none once it has written its last.
    ///
    /// # Errors
    /// `WouldBlock` when it has written nothing, else what the system refused.
    pub fn advance(&self) -> io::Result<Option<usize>> {
        let moved = shift(&self.guest, &self.stage.1, WIDE)?;
        // Lines don't fill its pages to the last byte.
        if moved.is_some_and(|moved| (USUAL / 4 * 3..=USUAL).contains(&moved)) {
            self.widen();
        }
        Ok(moved)
    }

    /// Throws away what the guest has written, so that it can go on; how much that was, in bytes.
    ///
    /// # Errors
    /// What the system refused.
    pub fn discard(&self) -> io::Result<u64> {
        let nowhere: OwnedFd = std::fs::File::options()
            .write(true)
            .open("/dev/null")?
            .into();
        let mut thrown = 0;
        loop {
            match shift(&self.guest, &nowhere, WIDE) {
                Ok(Some(some)) => thrown += some as u64,
                Ok(None) => return Ok(thrown),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(thrown),
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether nobody can write to the first any more.
    pub fn is_left(&self) -> bool {
        let mut guest = [PollFd::new(&self.guest, PollFlags::empty())];
        poll(&mut guest, Some(&Timespec::default())).is_ok()
            && guest[0].revents().contains(PollFlags::HUP)
    }

    /// Whether there is something to do: bytes, or the end.
    ///
    /// # Errors
    /// `WouldBlock` when there is not.
    pub fn look(&self) -> io::Result<()> {
        let waits = rustix::io::ioctl_fionread(&self.guest)? > 0 || self.is_left();
        match waits {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn widen(&self) {
        // Where the user may not have more, it stays as it is.
        let _ = fcntl_setpipe_size(&self.stage.1, WIDE);
        let _ = fcntl_setpipe_size(&self.guest, WIDE);
    }
}

impl AsFd for Pipes {
    /// The guest's pipe, which is waited for.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.guest.as_fd()
    }
}

impl AsRawFd for Pipes {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}
