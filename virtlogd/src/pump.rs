//! From the pipes into the file, in a thread: a file system may take its time.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use virt_daemon::logging::timestamp;

use crate::log_file::LogFile;
use crate::pipes::Pipes;
use crate::source::Text;
use crate::totals::TOTALS;

/// How much is moved in one go before others have their turn, in bytes.
const TURN: u64 = 16 << 20;

/// A guest that has written less meanwhile is given time to write more, in bytes: following it in small
/// steps would cost more than it is worth.
const LITTLE: usize = 32 << 10;

/// How a turn ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pumped {
    /// Nothing is left for now.
    Empty,
    /// There may be more.
    More,
    /// All is in the file and nobody can write any more.
    Ended,
}

/// What the thread tells the task that waits for it.
#[derive(Debug, Default)]
pub struct Tally {
    /// Bytes that reached the file.
    written: AtomicU64,
    /// Bytes that were thrown away and are not yet told of in the file.
    lost: AtomicU64,
}

impl Tally {
    /// Of a log of which an earlier program has lost some bytes.
    pub fn new(lost: u64) -> Self {
        Self {
            written: AtomicU64::new(0),
            lost: AtomicU64::new(lost),
        }
    }

    /// Bytes that reached the file so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Bytes that were lost and are to be told of.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Some more were lost.
    pub fn lose(&self, bytes: u64) {
        self.lost.fetch_add(bytes, Ordering::Relaxed);
        TOTALS.dropped(bytes);
    }
}

/// Writes what the guest has written, for one turn.
///
/// # Errors
/// What the system refused; nothing is lost.
pub fn pump(pipes: &Pipes, file: &mut LogFile, tally: &Tally) -> io::Result<Pumped> {
    let (mut turn, mut little) = (0, false);
    loop {
        let written = file.append(&mut pipes.staged())?;
        tally.written.fetch_add(written, Ordering::Relaxed);
        TOTALS.moved(written);
        own_up(file, tally)?;
        turn += written;
        if little {
            return Ok(Pumped::Empty);
        }
        if turn >= TURN {
            return Ok(Pumped::More);
        }
        match pipes.advance() {
            Ok(Some(moved)) => little = moved < LITTLE,
            Ok(None) => return Ok(Pumped::Ended),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Pumped::Empty),
            Err(e) => return Err(e),
        }
    }
}

/// Says in the file what is missing there.
fn own_up(file: &mut LogFile, tally: &Tally) -> io::Result<()> {
    let lost = tally.lost.swap(0, Ordering::Relaxed);
    if lost == 0 {
        return Ok(());
    }
    let now = timestamp(SystemTime::now());
    let text = format!(
        "\n{now}: virtlogd: {lost} bytes are missing here: this file could not be written\n"
    );
    let told = file.append(&mut Text::new(text.as_bytes()));
    if told.is_err() {
        tally.lost.fetch_add(lost, Ordering::Relaxed);
    }
    told.map(drop)
}
