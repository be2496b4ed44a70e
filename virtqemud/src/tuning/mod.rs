//! What keeps a running guest within its limits: control groups and where threads may run.
//!
//! [`host`] looks at the host once, [`requirements`] says what of a definition the host can't keep,
//! [`groups`] sets what a definition says when the guest starts, [`affinity`] pins threads, [`scheduling`] chooses their scheduler.

pub(crate) mod affinity;
pub(crate) mod blkio;
pub(crate) mod groups;
pub(crate) mod host;
pub(crate) mod memory;
pub(crate) mod requirements;
pub(crate) mod scheduling;
