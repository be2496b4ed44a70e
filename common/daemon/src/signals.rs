//! Signals as values in the daemon's main loop.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;

use nix::sys::signal::SigSet;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// What the daemon was told (WIRE.md section 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Drain and stop: SIGTERM, SIGINT, SIGQUIT.
    Stop,
    /// Read the configuration again: SIGHUP.
    Reload,
    /// Replace the program in place: SIGUSR1.
    ReExec,
}

/// The signals that arrive, in order within each kind.
#[derive(Debug)]
pub struct Signals {
    stop: UnixStream,
    reload: UnixStream,
    re_exec: UnixStream,
}

impl Signals {
    /// Takes the signals over; from now on none of them ends the process by itself.
    ///
    /// # Errors
    /// No descriptor is left for the pipes, or there is no tokio runtime with I/O around.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            stop: listen(&[SIGTERM, SIGINT, SIGQUIT])?,
            reload: listen(&[SIGHUP])?,
            re_exec: listen(&[SIGUSR1])?,
        })
    }

    /// Makes the signals wait, across an exec as well, until [`Self::unblock`].
    pub fn block() {
        // Fails for an unknown way of changing the mask only.
        let _ = mask().thread_block();
    }

    /// Lets the signals in again, those that waited first.
    pub fn unblock() {
        let _ = mask().thread_unblock();
    }

    /// Whether the daemon was told to stop and hasn't seen it yet. What else came is dropped: it
    /// is what is about to be done.
    pub async fn pending_stop(&mut self) -> bool {
        let mut byte = [0];
        tokio::select! {
            biased;
            _ = self.stop.read(&mut byte) => true,
            () = std::future::ready(()) => false,
        }
    }

    /// The next signal. Cancel safe.
    pub async fn next(&mut self) -> Signal {
        let (mut a, mut b, mut c) = ([0], [0], [0]);
        tokio::select! {
            biased;
            _ = self.stop.read(&mut a) => Signal::Stop,
            _ = self.re_exec.read(&mut b) => Signal::ReExec,
            _ = self.reload.read(&mut c) => Signal::Reload,
        }
    }
}

fn mask() -> SigSet {
    use nix::sys::signal::Signal;
    [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
    ]
    .into_iter()
    .collect()
}

fn listen(signals: &[i32]) -> io::Result<UnixStream> {
    let (reader, writer) = StdUnixStream::pair()?;
    for signal in signals {
        signal_hook::low_level::pipe::register(*signal, writer.try_clone()?)?;
    }
    reader.set_nonblocking(true)?;
    UnixStream::from_std(reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_arrives_as_a_value() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut signals = Signals::install().unwrap();
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP).unwrap();
            assert_eq!(signals.next().await, Signal::Reload);
        });
    }
}
