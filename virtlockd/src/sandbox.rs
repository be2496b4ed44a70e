//! What this process can do at all, once it serves. Both halves hold for every later program of the
//! process, so a replacement in place is neither freer nor more confined.

mod files;
mod system_calls;

/// Gives up the rest, for good.
///
/// # Errors
/// The kernel refuses what it offers: a sentence. What it doesn't offer is told in the log.
pub fn enter() -> Result<(), String> {
    files::restrict()?;
    system_calls::restrict()
}
