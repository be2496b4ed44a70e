//! Where the bytes come from that are appended to a file.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice, tee};

/// Bytes in an order, that are taken from its front.
pub trait Source {
    /// How many there are at the moment.
    ///
    /// # Errors
    /// What the system refused.
    fn available(&self) -> io::Result<u64>;

    /// The first ones, at most `length`, which stay. Fewer than there are may be shown.
    ///
    /// # Errors
    /// What the system refused.
    fn peek(&self, length: usize) -> io::Result<Vec<u8>>;

    /// Writes the first ones, at most `length`, to a place in a file and takes away what was written;
    /// how much that was.
    ///
    /// # Errors
    /// What the system refused; then nothing was taken away.
    fn copy(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<u64>;
}

/// A text in memory.
#[derive(Debug)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// All of it.
    pub fn new(text: &'a [u8]) -> Self {
        Self(text)
    }
}

impl Source for Text<'_> {
    fn available(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn peek(&self, length: usize) -> io::Result<Vec<u8>> {
        Ok(self.0[..length.min(self.0.len())].to_vec())
    }

    fn copy(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<u64> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let part = &self.0[..length.min(self.0.len())];
        let written = rustix::io::pwrite(file, part, offset)?;
        self.0 = &self.0[written..];
        Ok(written as u64)
    }
}

/// What a pipe holds. The kernel takes out of it just what it has written: an end of this process at
/// any moment loses nothing and doubles nothing, as long as someone holds the pipe.
#[derive(Debug)]
pub struct Pipe<'a>(BorrowedFd<'a>);

impl<'a> Pipe<'a> {
    /// By its end that is read.
    pub fn new(end: &'a OwnedFd) -> Self {
        Self(end.as_fd())
    }
}

impl Source for Pipe<'_> {
    fn available(&self) -> io::Result<u64> {
        Ok(rustix::io::ioctl_fionread(self.0)?)
    }

    fn peek(&self, length: usize) -> io::Result<Vec<u8>> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let mut shown = vec![0; length];
        tee(self.0, write, length, SpliceFlags::NONBLOCK)?;
        let read = rustix::io::read(read, &mut shown[..])?;
        shown.truncate(read);
        Ok(shown)
    }

    fn copy(&mut self, file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<u64> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut offset = offset;
        let copied = splice(
            self.0,
            None,
            file,
            Some(&mut offset),
            length,
            SpliceFlags::NONBLOCK | SpliceFlags::MOVE,
        )?;
        Ok(copied as u64)
    }
}

/// Moves what is in one pipe to another, without waiting; how much that was, in bytes. Nothing once the
/// first is empty and nobody can write to it any more.
///
/// # Errors
/// `WouldBlock` when the first is empty or the second full, else what the system refused.
pub fn shift(from: &OwnedFd, to: &OwnedFd, length: usize) -> io::Result<Option<usize>> {
    loop {
        match splice(
            from,
            None,
            to,
            None,
            length,
            SpliceFlags::NONBLOCK | SpliceFlags::MOVE,
        ) {
            Ok(0) => return Ok(None),
            Ok(moved) => return Ok(Some(moved)),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn what_is_copied_is_gone_and_what_is_seen_is_not() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let mut write = std::fs::File::from(write);
        write.write_all(b"hello world").unwrap();
        let mut file = tempfile::tempfile().unwrap();
        let mut pipe = Pipe::new(&read);
        assert_eq!(pipe.peek(5).unwrap(), b"hello");
        assert_eq!(pipe.available().unwrap(), 11);
        assert_eq!(pipe.copy(file.as_fd(), 2, 6).unwrap(), 6);
        assert_eq!(pipe.available().unwrap(), 5);
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        assert_eq!(text, b"\0\0hello ");
    }

    #[test]
    fn the_end_is_told_from_an_empty_pipe() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let (_stage, into) = rustix::pipe::pipe().unwrap();
        let empty = shift(&read, &into, 100).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        std::fs::File::from(write).write_all(b"abc").unwrap();
        assert_eq!(shift(&read, &into, 100).unwrap(), Some(3));
        assert_eq!(shift(&read, &into, 100).unwrap(), None);
    }
}
