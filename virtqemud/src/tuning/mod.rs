//! What keeps a running guest's threads within their limits; what is the same for containers is
//! `virt_tuning`'s.
//!
//! [`host`] looks at the host once, [`groups`] sets what a definition says when the guest starts,
//! [`affinity`] pins threads, [`scheduling`] chooses their scheduler.

pub(crate) mod affinity;
pub(crate) mod groups;
pub(crate) mod host;
pub(crate) mod scheduling;
