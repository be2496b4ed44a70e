//! A client's stream passed on to another daemon's, both ways.

use virt_error::Result;

use crate::client::{ClientStream, Item};
use crate::server::{Incoming, ServerStream};

/// Passes everything on until the client finishes or gives up, or the other daemon breaks off.
/// Each side is read only as fast as the other takes it.
///
/// # Errors
/// The other daemon's error, which then is the client's.
pub async fn relay(client: &ServerStream, daemon: &ClientStream) -> Result<()> {
    tokio::select! {
        result = upward(client, daemon) => result,
        result = downward(client, daemon) => result,
    }
}

/// From the client to the daemon, until one of them has enough.
async fn upward(client: &ServerStream, daemon: &ClientStream) -> Result<()> {
    loop {
        match client.recv().await {
            Incoming::Data(data) => daemon.send(&data).await?,
            Incoming::Hole(length) => daemon.send_hole(length).await?,
            Incoming::Finish => return daemon.finish().await,
            Incoming::Abort => return daemon.abort().await,
        }
    }
}

/// From the daemon to the client; ends only with an error.
async fn downward(client: &ServerStream, daemon: &ClientStream) -> Result<()> {
    loop {
        let sent = match daemon.recv().await? {
            Some(Item::Data(data)) => client.send(&data).await,
            Some(Item::Hole(length)) => client.send_hole(length).await,
            None => {
                // The client is told once; it then finishes, which `upward` sees.
                if client.end().await.is_ok() {
                    std::future::pending::<()>().await;
                }
                break;
            }
        };
        if sent.is_err() {
            break;
        }
    }
    // The client is gone: `upward` sees that, too, and tells the daemon.
    std::future::pending().await
}
