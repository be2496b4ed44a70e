//! Network interfaces of a running guest, which are known by their hardware address.

use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::interface::{Interface, InterfaceSource, LinkState};
use virt_driver::Event;
use virt_driver::audit::Reason;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::prepare::complete;
use super::{missing, no_slot, unsupported};
use crate::aliases;
use crate::definitions::off_thread;
use crate::guest::Body;
use crate::start::interface::{Made, belongings_of, make};

/// The place of the interface that is meant.
///
/// # Errors
/// DEVICE_MISSING, OPERATION_FAILED when several have the address.
pub(super) fn place(domain: &Domain, meant: &Interface) -> Result<usize> {
    let address = meant.info.address.as_ref();
    let is_meant = |known: &Interface| {
        known.mac_text().eq_ignore_ascii_case(&meant.mac_text())
            && (address.is_none() || known.info.address.as_ref() == address)
    };
    let all = domain.devices.interfaces.iter().enumerate();
    let mut meant_ones = all.filter(|(_, known)| is_meant(known));
    let mac = meant.mac_text();
    match (meant_ones.next(), meant_ones.next()) {
        (Some((place, _)), None) => Ok(place),
        (Some(_), Some(_)) => Err(Error::new(
            ErrorCode::OperationFailed,
            ErrorDomain::Qemu,
            format!("multiple devices matching MAC address {mac} found"),
        )),
        (None, _) => Err(missing(format!(
            "no device matching MAC address {mac} found"
        ))),
    }
}

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

    pub(super) async fn detach_interface(&mut self, meant: &Interface) -> Result<()> {
        let live = self.live()?;
        let place = place(&live.domain, meant)?;
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
        let place = place(&live.domain, &new)?;
        let Some(known) = live.domain.devices.interfaces.get(place) else {
            return Ok(());
        };
        check_unchanged(known, &new)?;
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

/// Refuses a description that differs in more than the cable. What it leaves out is as it was.
fn check_unchanged(known: &Interface, new: &Interface) -> Result<()> {
    let mut known = known.resolved();
    let mut new = new.clone();
    new.link = known.link;
    new.info.address = new.info.address.or_else(|| known.info.address.clone());
    new.model = new.model.or_else(|| known.model.clone());
    new.target = new.target.or_else(|| known.target.clone());
    new.driver = new.driver.or_else(|| known.driver.clone());
    new.info
        .name(|| known.info.alias().unwrap_or_default().to_owned());
    known.actual = None;
    let field = [
        ("source", known.source == new.source),
        ("model", known.model == new.model),
        ("target", known.target == new.target),
        ("driver", known.driver == new.driver),
        ("bandwidth", known.bandwidth == new.bandwidth),
        ("filterref", known.filterref == new.filterref),
        ("mtu", known.mtu == new.mtu),
    ];
    let field = field.iter().find(|(_, same)| !same);
    match field {
        None if known == new => Ok(()),
        field => Err(unsupported(format!(
            "cannot modify {} of interface {} of a guest that runs; only its link state can be changed",
            field.map_or("a setting", |(name, _)| *name),
            known.mac_text()
        ))),
    }
}
