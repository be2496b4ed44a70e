//! A sequence of what clients might ask, played on lock spaces without a daemon around them: for the
//! developer tool `conform`. All of it is the daemon's own code, with the files done in this thread.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use serde::{Deserialize, Serialize};
use virt_error::Result;
use virt_rpc::protocol::lock::Owner;

use crate::files::Files;
use crate::guests::Guest;
use crate::lease_file::{Kept, Mode};
use crate::leases::{Inner, Leases};
use crate::lockspaces::Name;
use crate::notes::{Notes, Process};

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Step {
    /// A lock space, in a folder or of paths.
    New {
        #[serde(default)]
        dir: bool,
    },
    Create {
        resource: String,
    },
    Delete {
        resource: String,
    },
    Acquire {
        resource: String,
        owner: u32,
        #[serde(default)]
        flags: Vec<Flag>,
    },
    Release {
        resource: String,
        owner: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Flag {
    Shared,
    Autocreate,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Outcome {
    ok: bool,
    /// Whether the resource's file is there afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    exists: Option<bool>,
    /// Whether the lock space's folder is.
    #[serde(skip_serializing_if = "Option::is_none")]
    dir_exists: Option<bool>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Stands for a folder that is there, in names of resources.
const FOLDER: &str = "@DIR@";

/// Plays the steps, a list in JSON; the outcomes, a list of as many.
///
/// # Errors
/// It isn't such a list, or there is no place for files: a sentence.
pub fn play(steps: serde_json::Value) -> std::result::Result<serde_json::Value, String> {
    let steps: Vec<Step> = serde_json::from_value(steps).map_err(|e| e.to_string())?;
    let scratch = Scratch::new()?;
    let mut scene = Scene::new(&scratch.0)?;
    let outcomes: Vec<_> = steps.into_iter().map(|step| scene.step(step)).collect();
    serde_json::to_value(outcomes).map_err(|e| e.to_string())
}

struct Scene {
    leases: Arc<Leases>,
    space: PathBuf,
    folder: PathBuf,
    /// The lock space that was asked for last; empty: the one of paths.
    current: String,
}

impl Scene {
    fn new(scratch: &Path) -> std::result::Result<Self, String> {
        let notes = Notes::new(scratch.join("notes"))?;
        let folder = scratch.join("folder");
        std::fs::create_dir(&folder).map_err(|e| format!("'{}': {e}", folder.display()))?;
        Ok(Self {
            leases: Arc::new(Leases::new(Inner::default(), notes, Files::Direct)),
            space: scratch.join("space"),
            folder,
            current: String::new(),
        })
    }

    fn step(&mut self, step: Step) -> Outcome {
        let (result, resource) = match step {
            Step::New { dir: true } => {
                self.current = self.space.to_string_lossy().into_owned();
                (at_once(self.leases.add_space(&self.current, false)), None)
            }
            Step::New { dir: false } => {
                self.current = String::new();
                (Ok(()), None)
            }
            Step::Create { resource } => {
                let name = self.name(&resource);
                (at_once(self.leases.create(&name)), Some(name))
            }
            Step::Delete { resource } => {
                let name = self.name(&resource);
                (at_once(self.leases.delete(&name)), Some(name))
            }
            Step::Acquire {
                resource,
                owner,
                flags,
            } => {
                let name = self.name(&resource);
                (self.acquire(&name, owner, &flags), Some(name))
            }
            Step::Release { resource, owner } => {
                let name = self.name(&resource);
                (at_once(self.leases.release(&name, owner)), Some(name))
            }
        };
        let exists = |name: Name| Path::new(&name.space).join(name.resource).exists();
        Outcome {
            ok: result.is_ok(),
            exists: resource.map(exists),
            dir_exists: (!self.current.is_empty()).then(|| Path::new(&self.current).is_dir()),
            error: result.err().map(|e| e.to_string()),
        }
    }

    fn acquire(&self, name: &Name, number: u32, flags: &[Flag]) -> Result<()> {
        let mode = match flags.contains(&Flag::Shared) {
            true => Mode::Shared,
            false => Mode::Exclusive,
        };
        let kept = match flags.contains(&Flag::Autocreate) {
            true => Kept::Lease,
            false => Kept::File,
        };
        // A guest whose process nobody has to look for.
        self.leases.guest_connected(Guest {
            process: Process {
                pid: number,
                start_time: 0,
            },
            socket: Weak::new(),
            keepsake: None,
        });
        let owner = Owner {
            uuid: [0; 16],
            name: format!("guest-{number}"),
            id: number.max(1),
            pid: number,
        };
        at_once(self.leases.acquire(name, &owner, mode, kept))
    }

    fn name(&self, resource: &str) -> Name {
        Name {
            space: self.current.clone(),
            resource: resource.replace(FOLDER, &self.folder.to_string_lossy()),
        }
    }
}

/// The result of what has nothing to wait for.
fn at_once<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(virt_error::Error::new(
            virt_error::ErrorCode::OperationTimeout,
            virt_error::ErrorDomain::Lockspace,
            "a step waits for another one",
        )),
    }
}

/// A folder that goes with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::result::Result<Self, String> {
        let path = std::env::temp_dir().join(format!("lockspace-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| format!("'{}' can't be made: {e}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_played_in_order() {
        let outcomes = play(json!([
            { "do": "new", "dir": true },
            { "do": "acquire", "resource": "x", "owner": 3, "flags": ["autocreate"] },
            { "do": "acquire", "resource": "x", "owner": 4 },
            { "do": "release", "resource": "x", "owner": 4 },
            { "do": "release", "resource": "x", "owner": 3 },
        ]))
        .unwrap();
        let ok: Vec<_> = outcomes
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["ok"])
            .collect();
        assert_eq!(ok, [true, true, false, false, true]);
        assert_eq!(outcomes[1]["exists"], true);
        assert_eq!(outcomes[4]["exists"], false);
        assert!(play(json!([{ "do": "dance" }])).is_err());
    }
}
