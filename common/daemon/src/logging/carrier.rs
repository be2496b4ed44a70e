//! Takes what waits to virtlogd.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use virt_error::ErrorCode;
use virt_rpc::client::Connection;
use virt_rpc::codec::Internal;
use virt_rpc::protocol::records::{Batch, Write, WriteArgs};

use super::Outgoing;

/// How long records are gathered before they are sent: one message for many costs less.
pub const GATHER: Duration = Duration::from_millis(20);
/// How long after a failure virtlogd is tried again, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Sends what waits, for ever; a batch stays here until virtlogd has it.
pub(super) async fn carry(outgoing: Arc<Outgoing>, socket: &Path) {
    let mut connection = None;
    loop {
        let batch = gather(&outgoing).await;
        let args = WriteArgs {
            batch: Internal(batch),
        };
        let mut pause = AGAIN.0;
        loop {
            let sent = send(&mut connection, socket, &args).await;
            match sent {
                Ok(()) => break,
                Err(Trouble::Refused(text)) => {
                    // It would be refused again. Nobody else is there to be told.
                    eprintln!("virtlogd refuses records: {text}");
                    outgoing.given_up();
                    tokio::time::sleep(AGAIN.1).await;
                    break;
                }
                Err(Trouble::Away) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(AGAIN.1);
                }
            }
        }
        outgoing.arrived();
    }
}

/// The next batch, once it is worth sending.
pub async fn gather(outgoing: &Outgoing) -> Batch {
    outgoing.some().await;
    if !outgoing.fills_a_batch() {
        tokio::time::sleep(GATHER).await;
    }
    outgoing.take().await
}

enum Trouble {
    /// Nobody answers.
    Away,
    /// Somebody does, and does not want this.
    Refused(String),
}

async fn send(
    connection: &mut Option<Connection>,
    socket: &Path,
    args: &WriteArgs,
) -> Result<(), Trouble> {
    let open = match connection.take().filter(|open| !open.is_closed()) {
        Some(open) => open,
        None => Connection::connect(socket)
            .await
            .map_err(|_| Trouble::Away)?,
    };
    match open.call::<Write>(args).await {
        Ok(()) => {
            *connection = Some(open);
            Ok(())
        }
        Err(_) if open.is_closed() => Err(Trouble::Away),
        // It could not write them; that may pass.
        Err(error) if error.is(ErrorCode::SystemError) => {
            *connection = Some(open);
            Err(Trouble::Away)
        }
        Err(error) => {
            *connection = Some(open);
            Err(Trouble::Refused(error.message().to_owned()))
        }
    }
}
