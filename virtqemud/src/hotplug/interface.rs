//! Network interfaces of a running guest, which are known by their hardware address.

use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::interface::{Interface, InterfaceSource, LinkState};
use virt_driver::Event;
use virt_driver::audit::Reason;
use virt_error::{ErrorDomain, Result};
use virt_net::meant;

use super::prepare::complete;
use super::{missing, no_slot, unsupported};
use crate::aliases;
use crate::definitions::off_thread;
use crate::guest::Body;
use crate::start::interface::{Made, belongings_of, make};

const OWN: ErrorDomain = ErrorDomain::Qemu;

impl Body {
    pub(super) async fn attach_interface(&mut self, interface: Interface) -> Result<()> {
        if matches!(interface.source, InterfaceSource::Hostdev { .. }) {
            return Err(unsupported(
                "live attach of an interface of type 'hostdev' is not supported",
            ));
        }
        let live = self.live()?;
        let driver = Arc::clone(self.driver());
        let mut found = complete(&driver, &live.domain, |domain| {
            domain.devices.interfaces.push(interface);
        })
        .await?;
        if let Some(controller) = found.controllers.first() {
            return Err(no_slot(controller));
        }
        // It was pushed last.
        let interface = found.domain.devices.interfaces.pop();
        let interface = interface.ok_or_else(|| missing("the interface"))?;
        let mut next = Domain::clone(&live.domain);
        next.devices.interfaces.push(interface);
        aliases::name_others(&mut next)?;
        let interface = next.devices.interfaces.pop();
        let interface = interface.ok_or_else(|| missing("the interface"))?;
        let (guest, caps) = (Arc::clone(&live.domain), found.caps);
        let wanted = interface.clone();
        let making = off_thread(move || make(&driver, &guest, wanted, &caps));
        let made = self.attend(making).await;
        let plugged = match made {
            Ok(made) => {
                let nodes = made.nodes.clone();
                self.audit_opened(&nodes);
                Box::pin(self.plug_interface(made)).await
            }
            Err(error) => Err(error),
        };
        self.audit(|guest| guest.gained(&interface, Reason::Attach, plugged.is_ok()));
        plugged
    }

    async fn plug_interface(&mut self, made: Made) -> Result<()> {
        let Made {
            interface,
            parts,
            descriptors,
            nodes: _,
            belongings,
        } = made;
        let plugged = match self.give(descriptors).await {
            Ok(()) => self.make(&parts).await,
            Err(error) => Err(error),
        };
        if let Err(error) = plugged {
            // What is undone may block.
            tokio::task::spawn_blocking(move || drop(belongings));
            return Err(error);
        }
        let alias = interface.info.alias().unwrap_or_default().to_owned();
        self.running_mut()?.belongings.adopt(belongings.keep());
        self.kept_mut()?.devices.push(alias.clone());
        let is_out = interface.link == Some(LinkState::Down);
        // What changed meanwhile stays.
        self.change_live(|live| {
            let domain = Arc::make_mut(&mut live.domain);
            domain.devices.interfaces.push(interface);
        })?;
        self.emit(Event::DeviceAdded {
            alias: alias.clone(),
        });
        match is_out {
            true => self.set_link(&alias, false).await,
            false => Ok(()),
        }
    }

    async fn set_link(&mut self, alias: &str, up: bool) -> Result<()> {
        let alias = alias.to_owned();
        self.ask(move |monitor| monitor.set_link(&alias, up)).await
    }

    pub(super) async fn detach_interface(&mut self, wanted: &Interface) -> Result<()> {
        let live = self.live()?;
        let place = meant::place(OWN, &live.domain, wanted)?;
        let Some(known) = live.domain.devices.interfaces.get(place) else {
            return Ok(());
        };
        if known.as_hostdev().is_some() {
            return Err(unsupported(
                "live detach of an interface that is a host device is not supported",
            ));
        }
        let alias = known.info.alias().unwrap_or_default().to_owned();
        self.unplug(&alias).await
    }

    /// Puts the cable in or takes it out.
    pub(super) async fn update_interface(&mut self, new: Interface) -> Result<()> {
        let live = self.live()?;
        let place = meant::place(OWN, &live.domain, &new)?;
        let Some(known) = live.domain.devices.interfaces.get(place) else {
            return Ok(());
        };
        meant::check_unchanged(OWN, known, &new)?;
        let link = new.link;
        if link == known.link {
            return Ok(());
        }
        let alias = known.info.alias().unwrap_or_default().to_owned();
        let up = link != Some(LinkState::Down);
        self.set_link(&alias, up).await?;
        self.change_live(|live| {
            let interfaces = &mut Arc::make_mut(&mut live.domain).devices.interfaces;
            let mut own = interfaces.iter_mut();
            if let Some(own) = own.find(|own| own.info.alias() == Some(&alias)) {
                own.link = link;
            }
        })
    }

    /// Cleans up after one that the guest let go of.
    pub(super) async fn interface_gone(&mut self, interface: &Interface) {
        let Ok(live) = self.live() else { return };
        let alias = interface.info.alias().unwrap_or_default();
        self.forget(vec![super::parts::Name::Netdev(format!("host{alias}"))])
            .await;
        let changed = self.change_live(|live| {
            let interfaces = &mut Arc::make_mut(&mut live.domain).devices.interfaces;
            interfaces.retain(|other| other.info.alias() != Some(alias));
        });
        if changed.is_err() {
            return;
        }
        self.audit(|guest| guest.lost(interface, true));
        let had = belongings_of(self.driver(), &live.domain, interface.clone());
        if let Ok(running) = self.running_mut() {
            let own = running.belongings.of_interfaces();
            own.leave_to(had.of_interfaces());
        }
        tokio::task::spawn_blocking(move || had.remove());
    }
}
