//! The way to the daemon that runs.

use std::path::Path;

use virt_daemon::Paths;
use virt_rpc::client::Connection;

/// Runs `work` with a connection to the daemon whose tree is below `root`.
pub(super) fn with<T>(
    root: Option<&Path>,
    work: impl AsyncFnOnce(Connection) -> Result<T, String>,
) -> Result<T, String> {
    let socket = Paths::system(root).run.join("virtacld-sock");
    run(async {
        let connection = Connection::connect(&socket).await.map_err(|e| {
            format!(
                "{e}; is virtacld running, and are you root? (systemctl status virtacld.socket)"
            )
        })?;
        work(connection).await
    })
}

/// Runs `work` in an event loop.
pub(super) fn run<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(work)
}
