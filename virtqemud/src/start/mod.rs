//! Starting a guest: from its definition to running processors (order: WIRE.md section 28).
//!
//! [`prepare`] does on a thread of its own what blocks: it looks at files, opens descriptors and
//! forks. [`boot`] talks to the new QEMU; what it asks is sent together, so that the guest waits for
//! QEMU's own start and little else. Whatever fails, all of it is undone.

pub(crate) mod back_ends;
mod boot;
mod check;
mod descriptors;
mod expiry;
mod firmware_variables;
pub(crate) mod interface;
mod local_time;
mod master_key;
pub(crate) mod memory_devices;
mod prepare;
mod processor;
pub(crate) mod secrets;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use virt_domain::Domain;

use crate::caps::QemuCaps;

pub(crate) use boot::policy;
pub(crate) use check::disks as check_disks;
pub(crate) use descriptors::Opened;
pub(crate) use master_key::read as read_master_key;

/// What is to be started.
#[derive(Debug)]
pub struct Plan {
    /// The guest, complete: defaults and addresses are there.
    pub domain: Box<Domain>,
    /// What its emulator can do.
    pub caps: Arc<QemuCaps>,
    /// Where its state comes from.
    pub origin: Origin,
    /// Its processors stay stopped.
    pub paused: bool,
    /// The firmware's variables start afresh.
    pub reset_nvram: bool,
}

/// Where the guest's state comes from.
#[derive(Debug)]
pub enum Origin {
    /// It boots.
    Boot,
    /// It goes on from a saved state, which is read from there.
    Saved(OwnedFd),
}
