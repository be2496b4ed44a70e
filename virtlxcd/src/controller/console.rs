//! One console: what the container writes to it goes to a terminal of the host, and back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Bytes moved at once.
const PORTION: usize = 4096;

/// How long what nobody reads may hold the container up, or its end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes on their way from one terminal to another.
#[derive(Debug, Default)]
struct Way {
    waiting: Vec<u8>,
    since: Option<Instant>,
    /// Nobody read for a while: what has no room is dropped until someone does.
    unread: bool,
}

impl Way {
    /// Moves what can be moved now. Tells whether there was something.
    fn go(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
        if self.waiting.is_empty() {
            let mut portion = [0; PORTION];
            if let Ok(count) = rustix::io::read(from, &mut portion) {
                self.waiting.extend(portion.iter().take(count));
            }
        }
        if self.waiting.is_empty() {
            return false;
        }
        match rustix::io::write(to, &self.waiting) {
            Ok(count) if count > 0 => {
                self.waiting.drain(..count.min(self.waiting.len()));
                self.since = None;
                self.unread &= !self.waiting.is_empty();
            }
            _ => {
                let since = *self.since.get_or_insert_with(Instant::now);
                self.unread |= since.elapsed() >= PATIENCE;
            }
        }
        if self.unread {
            self.waiting.clear();
        }
        if self.waiting.is_empty() {
            self.since = None;
        }
        true
    }

    fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// One console.
#[derive(Debug)]
pub(super) struct Console {
    /// The other side of the container's terminal.
    inside: OwnedFd,
    /// The other side of the host's.
    outside: OwnedFd,
    /// The host's terminal, open so that it stays when a client closes it.
    kept: OwnedFd,
    path: String,
    /// Whether the host's terminal was given something.
    given: bool,
    /// When somebody was there last: had read all that was given, or wrote.
    read_at: Option<Instant>,
    out: Way,
    back: Way,
}

impl Console {
    pub(super) fn new(inside: OwnedFd) -> io::Result<Self> {
        let outside = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&outside)?;
        unlockpt(&outside)?;
        let path = ptsname(&outside, Vec::new())?
            .to_string_lossy()
            .into_owned();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let kept = openat(CWD, &*path, flags, Mode::empty())?;
        // Bytes are the container's terminal's to interpret.
        let mut modes = tcgetattr(&kept)?;
        modes.make_raw();
        tcsetattr(&kept, OptionalActions::Now, &modes)?;
        for fd in [&inside, &outside] {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        Ok(Self {
            inside,
            outside,
            kept,
            given: false,
            read_at: None,
            path,
            out: Way::default(),
            back: Way::default(),
        })
    }

    /// The host's terminal.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What to wait for at either side.
    pub(super) fn wanted(&self) -> [(BorrowedFd<'_>, PollFlags); 2] {
        let flags = |reads: &Way, writes: &Way| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !reads.is_waiting());
            flags.set(PollFlags::OUT, writes.is_waiting());
            flags
        };
        [
            (self.inside.as_fd(), flags(&self.out, &self.back)),
            (self.outside.as_fd(), flags(&self.back, &self.out)),
        ]
    }

    /// Whether something waits for a reader.
    pub(super) fn is_waiting(&self) -> bool {
        self.out.is_waiting() || self.back.is_waiting()
    }

    /// Moves what can be moved now. Tells whether the container had written something.
    pub(super) fn go(&mut self) -> bool {
        if self.given && self.is_read() {
            self.read_at = Some(Instant::now());
        }
        let moved = self.out.go(self.inside.as_fd(), self.outside.as_fd());
        self.given |= moved;
        // Who writes reads as well, if a moment later.
        if self.back.go(self.outside.as_fd(), self.inside.as_fd()) {
            self.read_at = Some(Instant::now());
        }
        moved
    }

    /// Whether nothing waits for a reader. poll(2) is asked, for it looks at what the kernel has yet to
    /// pass to the other side as well; FIONREAD does not.
    fn is_read(&self) -> bool {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&self.kept, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&now)), Ok(0))
    }

    /// The container ended: what it wrote last is given to whoever reads, for the terminal takes what
    /// it holds along.
    pub(super) fn finish(&mut self) {
        let has_reader = self.read_at.is_some_and(|at| at.elapsed() < PATIENCE);
        let end = Instant::now() + PATIENCE;
        while (self.go() || !self.is_read()) && has_reader && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
