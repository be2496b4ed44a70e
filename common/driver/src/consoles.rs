//! A guest's terminals and channels as streams: one client each.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use virt_daemon::watch;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::server::{Incoming, ServerStream};

/// Bytes moved at once.
const PORTION: usize = 16 * 1024;

/// The terminals and channels that clients have open, by path.
#[derive(Debug, Default)]
pub struct Consoles(Arc<Mutex<HashMap<String, Arc<Notify>>>>);

/// One that is open; given back when dropped.
#[derive(Debug)]
pub struct Console {
    all: Arc<Mutex<HashMap<String, Arc<Notify>>>>,
    path: String,
    taken: Arc<Notify>,
}

impl Consoles {
    /// Takes a terminal; `None` when another client has it and `force` does not take it away.
    pub fn claim(&self, path: &str, force: bool) -> Option<Console> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = all.get(path) {
            if !force {
                return None;
            }
            other.notify_one();
        }
        let taken = Arc::new(Notify::new());
        all.insert(path.to_owned(), Arc::clone(&taken));
        Some(Console {
            all: Arc::clone(&self.0),
            path: path.to_owned(),
            taken,
        })
    }
}

impl Console {
    /// Resolves when another client took it away.
    pub async fn taken(&self) {
        self.taken.notified().await;
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // Who took it away has it now.
        if all
            .get(&self.path)
            .is_some_and(|own| Arc::ptr_eq(own, &self.taken))
        {
            all.remove(&self.path);
        }
    }
}

/// Opens a terminal without making it the daemon's own.
///
/// # Errors
/// The kernel's.
pub fn open_terminal(path: &str) -> io::Result<std::fs::File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK)
        .open(path)
}

/// Has the runtime watch what a stream's bytes come from and go to.
///
/// # Errors
/// SYSTEM_ERROR when it can't be watched.
pub fn watched(file: std::fs::File) -> Result<AsyncFd<std::fs::File>> {
    watch(file, Interest::READABLE | Interest::WRITABLE)
        .map_err(|cause| Error::system(ErrorDomain::Streams, "cannot watch the console", &cause))
}

/// Moves bytes both ways until either side ends.
///
/// # Errors
/// OPERATION_ABORTED when another client took the terminal over.
pub async fn relay(
    stream: Arc<ServerStream>,
    peer: AsyncFd<std::fs::File>,
    claim: Console,
) -> Result<()> {
    let mut buffer = vec![0; PORTION];
    let mut outgoing = bytes::Bytes::new();
    loop {
        tokio::select! {
            () = claim.taken() => {
                return Err(Error::new(
                    ErrorCode::OperationAborted,
                    ErrorDomain::Streams,
                    "another client took the console over",
                ));
            }
            incoming = stream.recv(), if outgoing.is_empty() => match incoming {
                Incoming::Data(data) => outgoing = data,
                Incoming::Hole(_) => {}
                Incoming::Finish | Incoming::Abort => return Ok(()),
            },
            written = write(&peer, &outgoing), if !outgoing.is_empty() => match written {
                Ok(count) => drop(outgoing.split_to(count)),
                Err(_) => return over(&stream).await,
            },
            read = read(&peer, &mut buffer) => match read {
                Ok(count) if count > 0 => {
                    if stream.send(&buffer[..count]).await.is_err() {
                        return Ok(());
                    }
                }
                // A terminal whose other side is closed gives EIO.
                _ => return over(&stream).await,
            },
        }
    }
}

/// The guest's end is gone: the client is told that nothing more comes.
async fn over(stream: &ServerStream) -> Result<()> {
    // A client that is gone as well needs not be told.
    let _ = stream.end().await;
    Ok(())
}

async fn read(peer: &AsyncFd<std::fs::File>, buffer: &mut [u8]) -> io::Result<usize> {
    peer.async_io(Interest::READABLE, |mut file| {
        io::Read::read(&mut file, buffer)
    })
    .await
}

async fn write(peer: &AsyncFd<std::fs::File>, data: &[u8]) -> io::Result<usize> {
    peer.async_io(Interest::WRITABLE, |mut file| {
        io::Write::write(&mut file, data)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_terminal_has_one_client_at_a_time() {
        let consoles = Consoles::default();
        let first = consoles.claim("/dev/pts/1", false).unwrap();
        assert!(consoles.claim("/dev/pts/1", false).is_none());
        assert!(consoles.claim("/dev/pts/2", false).is_some());
        let second = consoles.claim("/dev/pts/1", true).unwrap();
        first.taken().await;
        drop(first);
        assert!(consoles.claim("/dev/pts/1", false).is_none());
        drop(second);
        assert!(consoles.claim("/dev/pts/1", false).is_some());
    }
}
