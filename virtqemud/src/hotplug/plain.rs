//! Devices of which a guest has a list: what QEMU makes for them is all that there is to do.

use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::input::Input;
use virt_domain::devices::rng::Rng;
use virt_driver::Event;
use virt_driver::audit::Reason;
use virt_error::{ErrorDomain, Result};
use virt_hotplug::plain::{Plain, remove_alias};

use super::prepare::complete;
use super::{missing, no_slot, parts, unsupported};
use crate::aliases;
use crate::argv::{self, Part};
use crate::caps::QemuCaps;
use crate::guest::Body;

/// What a QEMU that runs is to make for one.
///
/// # Errors
/// OPERATION_UNSUPPORTED for what only a start can make.
fn parts_of(device: &dyn Plain, guest: &Domain, caps: &QemuCaps) -> Result<Vec<Part>> {
    let known = device.as_any();
    if let Some(input) = known.downcast_ref::<Input>() {
        return argv::hotplug_input(guest, input, caps);
    }
    if let Some(rng) = known.downcast_ref::<Rng>() {
        return argv::hotplug_rng(guest, rng, caps);
    }
    Err(unsupported(format!(
        "device '{}' of a guest that runs can neither be attached nor detached",
        device.kind()
    )))
}

impl Body {
    pub(super) async fn attach_plain(&mut self, device: Box<dyn Plain>) -> Result<()> {
        let live = self.live()?;
        let driver = Arc::clone(self.driver());
        let mut found = complete(&driver, &live.domain, |domain| {
            device.add(&mut domain.devices);
        })
        .await?;
        if let Some(controller) = found.controllers.first() {
            return Err(no_slot(controller));
        }
        let lost = || missing(format!("the <{}> device", device.kind()));
        let added = device.pop(&mut found.domain.devices).ok_or_else(lost)?;
        let mut next = Domain::clone(&live.domain);
        added.add(&mut next.devices);
        aliases::name_others(&mut next)?;
        let named = device.pop(&mut next.devices).ok_or_else(lost)?;
        let made = match parts_of(&*named, &live.domain, &found.caps) {
            Ok(parts) => self.make(&parts).await,
            Err(error) => Err(error),
        };
        self.audit(|guest| guest.gained(&named, Reason::Attach, made.is_ok()));
        made?;
        let alias = named.alias();
        self.kept_mut()?.devices.push(alias.clone());
        // What changed meanwhile stays.
        self.change_live(|live| named.add(&mut Arc::make_mut(&mut live.domain).devices))?;
        self.emit(Event::DeviceAdded { alias });
        Ok(())
    }

    pub(super) async fn detach_plain(&mut self, meant: &dyn Plain) -> Result<()> {
        let live = self.live()?;
        let mut devices = live.domain.devices.clone();
        let known = meant.remove(ErrorDomain::Qemu, &mut devices)?;
        // Refused where it can't be.
        parts_of(&*known, &live.domain, &live.qemu.caps)?;
        self.unplug(&known.alias()).await
    }

    /// Cleans up after one that the guest let go of.
    pub(super) async fn plain_gone(&mut self, alias: &str) {
        let Ok(live) = self.live() else { return };
        let mut devices = live.domain.devices.clone();
        let Some(gone) = remove_alias(&mut devices, alias) else {
            return;
        };
        if let Ok(made) = parts_of(&*gone, &live.domain, &live.qemu.caps) {
            self.forget(parts::names(&made)).await;
        }
        let changed = self.change_live(|live| {
            remove_alias(&mut Arc::make_mut(&mut live.domain).devices, alias);
        });
        if changed.is_ok() {
            self.audit(|guest| guest.lost(&gone, true));
        }
    }
}
