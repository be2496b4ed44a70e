//! Namespaces of others that the container is to be in.

#![allow(unsafe_code, reason = "descriptors arrive as numbers")]

use std::os::fd::{FromRawFd, OwnedFd};

use nix::sched::{CloneFlags, setns};

use crate::plan::{FIRST_SHARED, Plan, Shared};

impl Shared {
    /// The kernel's flag.
    pub(super) fn flag(self) -> CloneFlags {
        match self {
            Self::Network => CloneFlags::CLONE_NEWNET,
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
            Self::Uts => CloneFlags::CLONE_NEWUTS,
        }
    }
}

/// Goes into them: init will be where the controller is.
pub(super) fn enter(plan: &Plan) -> Result<(), String> {
    for (number, what) in (FIRST_SHARED..).zip(&plan.shared) {
        // SAFETY: virtlxcd opened one for each, and nothing else in this process uses the number; where
        // nothing is open under it the calls say so.
        let namespace = unsafe { OwnedFd::from_raw_fd(number) };
        setns(&namespace, what.flag())
            .map_err(|e| format!("cannot enter a namespace that is to be shared: {e}"))?;
    }
    Ok(())
}
