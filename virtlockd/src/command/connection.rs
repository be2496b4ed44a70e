//! The way to the daemon that runs.

use std::path::{Path, PathBuf};

use virt_daemon::Paths;
use virt_rpc::client::Connection;
use virt_rpc::protocol::leases::{Lease, List, ListArgs};

/// The socket below `root`, of the system's daemon for root and of the user's own for others.
pub(super) fn socket(root: Option<&Path>) -> Result<PathBuf, String> {
    let paths = Paths::of_user(root, false)?;
    Ok(paths.run.join("virtlockd-sock"))
}

/// Runs `work` with a connection.
pub(super) fn with<T>(
    root: Option<&Path>,
    work: impl AsyncFnOnce(Connection) -> Result<T, virt_error::Error>,
) -> Result<T, String> {
    let socket = socket(root)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let connection = Connection::connect(&socket).await.map_err(|e| {
            format!("{e}; is virtlockd running? (systemctl status virtlockd.socket)")
        })?;
        work(connection).await.map_err(|e| e.to_string())
    })
}

/// Everything that is held.
pub(super) async fn leases(connection: &Connection) -> Result<Vec<Lease>, virt_error::Error> {
    let mut leases = Vec::new();
    loop {
        let from = u32::try_from(leases.len()).unwrap_or(u32::MAX);
        let page = connection.call::<List>(&ListArgs { from }).await?;
        leases.extend(page.leases);
        if page.more == 0 {
            return Ok(leases);
        }
    }
}
