//! Leases of a running guest: nothing of them is QEMU's.

use std::sync::Arc;

use virt_domain::devices::lease::Lease;
use virt_error::{Error, Result};

use super::{invalid, wrong};
use crate::guest::Body;

/// Whether both are the same lock.
pub(super) fn is_same(one: &Lease, other: &Lease) -> bool {
    one.key == other.key && one.lockspace == other.lockspace
}

/// The refusal of one that is there.
pub(super) fn exists(lease: &Lease) -> Error {
    invalid(format!("{} already exists", name(lease)))
}

/// What is said of one that is not there.
pub(super) fn none(lease: &Lease) -> String {
    format!("{} does not exist", name(lease))
}

fn name(lease: &Lease) -> String {
    let space = lease.lockspace.as_deref().unwrap_or("NULL");
    format!("Lease {} in lockspace {space}", lease.key)
}

impl Body {
    pub(super) async fn attach_lease(&mut self, lease: Lease) -> Result<()> {
        let live = self.live()?;
        if live
            .domain
            .devices
            .leases
            .iter()
            .any(|known| is_same(known, &lease))
        {
            return Err(exists(&lease));
        }
        let mut next = Arc::clone(&live.domain);
        Arc::make_mut(&mut next).devices.leases.push(lease);
        let taken = self.take_leases_of(&next).await?;
        self.change_live(|live| live.domain = next)?;
        self.settle_leases(taken).await;
        Ok(())
    }

    pub(super) async fn detach_lease(&mut self, lease: &Lease) -> Result<()> {
        let live = self.live()?;
        let mut leases = live.domain.devices.leases.iter();
        let place = leases.position(|known| is_same(known, lease));
        let place = place.ok_or_else(|| wrong(none(lease)))?;
        let mut next = Arc::clone(&live.domain);
        Arc::make_mut(&mut next).devices.leases.remove(place);
        self.change_live(|live| live.domain = next)?;
        self.give_leases_back_of(&live.domain).await;
        Ok(())
    }
}
