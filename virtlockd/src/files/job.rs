//! What is to be done with a file, and what came of it, as values that go from process to process.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::libc;
use serde::{Deserialize, Serialize};

use crate::lease_file::{self, Elsewhere, Kept, LeaseFile, Mode, Refusal};

/// Something to do. Paths come from the protocol's strings, so they are UTF-8.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Job {
    /// Open and lock; the descriptor is the result.
    Lock {
        path: PathBuf,
        mode: Mode,
        kept: Kept,
    },
    /// Unlock the descriptor that comes with the job, and remove the file if it was a lease's.
    Unlock {
        path: PathBuf,
        mode: Mode,
        kept: Kept,
    },
    Create {
        path: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
}

/// What came of it, without the descriptor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Outcome {
    Done,
    Busy(Option<i32>),
    /// What failed, and the error's number.
    Failed(String, i32),
}

impl Job {
    /// The file it is about.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Lock { path, .. }
            | Self::Unlock { path, .. }
            | Self::Create { path }
            | Self::Remove { path }
            | Self::MakeFolder { path } => path,
        }
    }

    /// Does it, however long that takes.
    pub(super) fn run(self, file: Option<OwnedFd>) -> Result<Option<OwnedFd>, Refusal> {
        match self {
            Self::Lock { path, mode, kept } => {
                LeaseFile::lock(&path, mode, kept).map(|file| Some(file.into_descriptor()))
            }
            Self::Unlock { path, mode, kept } => {
                let file = file.ok_or_else(|| super::lockers::broken(&path))?;
                LeaseFile::locked(file, path, kept)
                    .unlock(mode)
                    .map(|()| None)
            }
            Self::Create { path } => lease_file::create(&path).map(|()| None),
            Self::Remove { path } => lease_file::remove(&path).map(|()| None),
            Self::MakeFolder { path } => match virt_daemon::make_folder(&path, 0o700) {
                Ok(()) => Ok(None),
                Err(e) => {
                    let what = format!("Unable to create lockspace {}", path.display());
                    Err(Refusal::System(what, e))
                }
            },
        }
    }
}

impl Outcome {
    /// For the other process.
    pub(super) fn of(result: &Result<Option<OwnedFd>, Refusal>) -> Self {
        match result {
            Ok(_) => Self::Done,
            Err(Refusal::Busy(elsewhere)) => Self::Busy(elsewhere.pid),
            Err(Refusal::System(what, e)) => {
                Self::Failed(what.clone(), e.raw_os_error().unwrap_or(libc::EIO))
            }
            Err(Refusal::Silent(path) | Refusal::Lost(path)) => {
                Self::Failed(path.display().to_string(), libc::EIO)
            }
        }
    }

    /// From the other process.
    pub(super) fn with(self, file: Option<OwnedFd>) -> Result<Option<OwnedFd>, Refusal> {
        match self {
            Self::Done => Ok(file),
            Self::Busy(pid) => Err(Refusal::Busy(Elsewhere { pid })),
            Self::Failed(what, number) => {
                Err(Refusal::System(what, io::Error::from_raw_os_error(number)))
            }
        }
    }
}
