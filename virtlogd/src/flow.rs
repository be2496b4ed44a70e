//! One guest's output, from its first byte to its last: a task that waits for it and has it written.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use virt_rpc::protocol::log::LogFilePosition;

use crate::pipes::Pipes;
use crate::pump::Pumped;
use crate::writer::{AGAIN, Writer};

/// How long output is gathered before it is written, while there is little of it: a guest that writes line
/// by line costs a turn of a thread for many lines, not for each.
const GATHER: Duration = Duration::from_millis(2);
/// How much in one turn is not little, in bytes.
const PLENTY: u64 = 256 << 10;

/// What is asked of a log that is being written.
#[derive(Debug)]
pub enum Ask {
    /// Where the next byte goes, once all that the guest wrote before is in the file.
    Position(oneshot::Sender<LogFilePosition>),
    /// To append a text to what the guest wrote before.
    Append(Arc<[u8]>, oneshot::Sender<io::Result<()>>),
    /// Whether someone may still write. Not answered when nobody can: the log ends then.
    Used(oneshot::Sender<()>),
}

/// The task.
#[derive(Debug)]
pub struct Flow {
    guest: AsyncFd<Arc<Pipes>>,
    writer: Writer,
    asks: mpsc::UnboundedReceiver<Ask>,
}

impl Flow {
    /// A task for these pipes.
    ///
    /// # Errors
    /// What the system refused.
    pub fn new(
        pipes: Arc<Pipes>,
        writer: Writer,
        asks: mpsc::UnboundedReceiver<Ask>,
    ) -> io::Result<Self> {
        Ok(Self {
            guest: register(pipes)?,
            writer,
            asks,
        })
    }

    /// Writes until nobody can write any more.
    pub async fn run(&mut self) {
        // What an earlier program has left.
        let mut pumped = self.writer.pump().await;
        let mut gather = false;
        while pumped != Pumped::Ended {
            let troubled = self.writer.is_in_trouble();
            tokio::select! {
                () = something(&self.guest), if !troubled && !gather => {
                    let before = self.writer.written();
                    pumped = self.writer.pump().await;
                    gather = self.writer.written() - before < PLENTY;
                }
                () = sleep(GATHER), if !troubled && gather => gather = false,
                () = sleep(AGAIN), if troubled => pumped = self.writer.pump().await,
                Some(ask) = self.asks.recv() => pumped = self.answer(ask).await,
            }
        }
    }

    async fn answer(&mut self, ask: Ask) -> Pumped {
        // Nobody waits for the answers of a client that has gone.
        match ask {
            Ask::Position(reply) => {
                let pumped = self.writer.pump().await;
                let _ = reply.send(self.writer.position());
                pumped
            }
            Ask::Append(text, reply) => {
                let pumped = self.writer.pump().await;
                let _ = reply.send(self.writer.append(text).await);
                pumped
            }
            Ask::Used(reply) => {
                let pumped = match self.writer.pump().await {
                    // A guest that starts again must not wait for the disk of its last life.
                    Pumped::Empty if self.writer.is_in_trouble() => self.writer.end_if_left(),
                    pumped => pumped,
                };
                if pumped != Pumped::Ended {
                    let _ = reply.send(());
                }
                pumped
            }
        }
    }
}

#[allow(
    unsafe_code,
    reason = "the registration has to end before the descriptor does"
)]
fn register(pipes: Arc<Pipes>) -> io::Result<AsyncFd<Arc<Pipes>>> {
    // SAFETY: the pipe's end is the same as long as the pipes are there, and the registration keeps
    // them.
    let registered = unsafe { AsyncFd::register_with_interest(pipes, Interest::READABLE) };
    Ok(registered?)
}

/// Waits until the guest has written something, or can't any more.
async fn something(guest: &AsyncFd<Arc<Pipes>>) {
    loop {
        let Ok(mut ready) = guest.readable().await else {
            // The runtime ends, and this task with it.
            return std::future::pending().await;
        };
        // What is not `WouldBlock` shows when it is moved.
        if ready.try_io(|guest| guest.get_ref().look()).is_ok() {
            return;
        }
    }
}
