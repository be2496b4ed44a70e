//! What this daemon keeps when it replaces its own program, version 1. A later version is another
//! type; this one stays as it is.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use virt_daemon::{Descriptors, Saved};
use virt_rpc::codec;

use crate::logs::Logs;
use crate::owner::Owner;
use crate::pipes::Pipes;

const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct StateV1 {
    logs: Vec<LogV1>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LogV1 {
    path: Vec<u8>,
    owner: Owner,
    /// In the order of [`Pipes::numbers`].
    pipes: [i32; 3],
    /// Bytes that were lost and are to be told of in the file.
    lost: u64,
}

/// All of it, for the next program.
pub fn save(logs: &Logs) -> Saved {
    let mut state = StateV1 { logs: Vec::new() };
    logs.each(|path, open| {
        state.logs.push(LogV1 {
            path: path.as_os_str().as_bytes().to_vec(),
            owner: open.owner.clone(),
            pipes: open.pipes.numbers(),
            lost: open.tally.lost(),
        });
    });
    let descriptors = state.logs.iter().flat_map(|log| log.pipes).collect();
    Saved {
        // A state that can't be written is refused by `check` before anything depends on it.
        state: codec::to_bytes(&(VERSION, state)).unwrap_or_default(),
        descriptors,
    }
}

/// Whether [`restore`] can read it.
pub fn check(saved: &[u8]) -> Result<(), String> {
    read(saved).map(drop)
}

/// Goes on with it.
pub fn restore(
    logs: &Arc<Logs>,
    saved: &[u8],
    descriptors: &mut Descriptors,
) -> Result<(), String> {
    for log in read(saved)?.logs {
        let [guest, read, write] = log.pipes;
        let pipes = Pipes::again([
            descriptors.take(guest)?,
            descriptors.take(read)?,
            descriptors.take(write)?,
        ]);
        let path = PathBuf::from(std::ffi::OsString::from_vec(log.path));
        logs.again(&path, log.owner, pipes, log.lost)
            .map_err(|e| format!("the log {path:?} can't be gone on with: {e}"))?;
    }
    Ok(())
}

fn read(saved: &[u8]) -> Result<StateV1, String> {
    let version: u32 =
        codec::from_bytes(saved).map_err(|e| format!("the logs' state has no version: {e}"))?;
    match version {
        VERSION => codec::from_bytes::<(u32, StateV1)>(saved)
            .map(|(_, state)| state)
            .map_err(|e| format!("the logs' state can't be read: {e}")),
        version => Err(format!(
            "the logs' state is of version {version}, this program knows version {VERSION}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_a_later_version_is_refused() {
        let later = codec::to_bytes(&(2_u32, "anything")).unwrap();
        let text = check(&later).unwrap_err();
        assert!(text.contains("version 2"), "{text}");
        assert!(check(b"").is_err());
    }
}
