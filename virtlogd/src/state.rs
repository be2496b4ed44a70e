//! What this daemon keeps when it replaces its own program, version 1. A later version is another
//! type; this one stays as it is.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use virt_daemon::{Descriptors, Saved, versioned};

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
    about: AboutV1,
    /// In the order of [`Pipes::numbers`].
    pipes: [i32; 3],
}

/// What is known of a log beside its pipes, version 1.
#[derive(Debug, Serialize, Deserialize)]
pub struct AboutV1 {
    path: Vec<u8>,
    owner: Owner,
    /// Bytes that were lost and are to be told of in the file.
    lost: u64,
}

impl AboutV1 {
    /// Of a log of which nothing was lost.
    pub fn new(path: &Path, owner: &Owner) -> Self {
        Self {
            path: path.as_os_str().as_bytes().to_vec(),
            owner: owner.clone(),
            lost: 0,
        }
    }

    /// Goes on with the log.
    ///
    /// # Errors
    /// What the system refused: a sentence.
    pub fn go_on(self, logs: &Arc<Logs>, pipes: Pipes) -> Result<(), String> {
        let path = PathBuf::from(OsString::from_vec(self.path));
        logs.again(&path, self.owner, pipes, self.lost)
            .map_err(|e| format!("the log {path:?} can't be gone on with: {e}"))
    }
}

/// All of it, for the next program.
pub fn save(logs: &Logs) -> Saved {
    let mut state = StateV1 { logs: Vec::new() };
    logs.each(|path, open| {
        state.logs.push(LogV1 {
            about: AboutV1 {
                lost: open.tally.lost(),
                ..AboutV1::new(path, &open.owner)
            },
            pipes: open.pipes.numbers(),
        });
    });
    let descriptors = state.logs.iter().flat_map(|log| log.pipes).collect();
    Saved {
        // A state that can't be written is refused by `check` before anything depends on it.
        state: versioned::write(VERSION, &state),
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
        log.about.go_on(logs, pipes)?;
    }
    Ok(())
}

fn read(saved: &[u8]) -> Result<StateV1, String> {
    versioned::read(VERSION, saved, "the logs' state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_a_later_version_is_refused() {
        let later = versioned::write(2, &"anything");
        let text = check(&later).unwrap_err();
        assert!(text.contains("version 2"), "{text}");
        assert!(check(b"").is_err());
    }
}
