//! What this process can do at all, once it serves: read what it decides by and whom it decides about,
//! and talk over UNIX sockets.

mod files;
mod system_calls;

use std::path::Path;

/// Gives up the rest, for good.
///
/// # Errors
/// The kernel refuses what it offers: a sentence. What it doesn't offer is told in the log.
pub fn enter(policies: &Path, sockets: &Path) -> Result<(), String> {
    files::restrict(policies, sockets)?;
    system_calls::restrict()
}
