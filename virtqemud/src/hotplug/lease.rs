//! Leases of a running guest: nothing of them is QEMU's.

use std::sync::Arc;

use virt_domain::devices::lease::Lease;
use virt_error::{ErrorDomain, Result};
use virt_hotplug::lease::{exists, is_same, none};

use super::wrong;
use crate::guest::Body;

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
            return Err(exists(ErrorDomain::Qemu, &lease));
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
