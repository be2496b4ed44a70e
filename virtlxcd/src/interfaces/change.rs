//! Interfaces that come to a container that runs, change and go.

use std::sync::Arc;

use virt_domain::devices::interface::{Bandwidth, Interface, InterfaceType, LinkState};
use virt_driver::audit::{Reason, Subject};
use virt_driver::{Event, change_live, off_thread};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_net::{host_end, meant, network_ports};

use super::make::{make_one, remove_one};
use super::{check, owns_network};
use crate::aliases;
use crate::guest::Body;

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationUnsupported, ErrorDomain::Lxc, what)
}

/// The end on the host.
fn cable(interface: &Interface) -> Result<String> {
    let name = match interface.resolved().kind() {
        InterfaceType::Direct => None,
        _ => interface.target_dev().map(str::to_owned),
    };
    name.ok_or_else(|| {
        unsupported(format!(
            "interface {} has no end on the host that could be changed",
            interface.mac_text()
        ))
    })
}

impl Body {
    /// Gives the running container an interface.
    ///
    /// # Errors
    /// OPERATION_UNSUPPORTED for a container in the host's network; what can't be had, by name. Nothing
    /// is left of it then.
    pub(crate) async fn attach_interface(&mut self, mut interface: Interface) -> Result<()> {
        let live = Arc::clone(self.guest().snapshot().running()?);
        if !owns_network(&live.domain) {
            return Err(unsupported(
                "the container is in the network of the host or of another one; define it with \
                 <features><privnet/></features> to attach interfaces while it runs",
            ));
        }
        check::refuse(&interface)?;
        check::complete_one(&mut interface);
        let known = &live.domain.devices.interfaces;
        interface
            .info
            .name(|| aliases::free("net", known.iter().map(|one| &one.info)));
        let alias = interface.info.alias().unwrap_or_default().to_owned();
        let mut others = live.domain.devices.infos().into_iter();
        if others.any(|other| other.alias() == Some(&alias)) {
            return Err(Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Lxc,
                format!("the container has a device with alias '{alias}' already"),
            ));
        }
        // Whatever becomes of this daemon, the next one gives back the port that a network is asked for.
        network_ports::choose_one(&mut interface);
        change_live(self, |domain| {
            domain.devices.interfaces.push(interface.clone());
            Ok(())
        })?;
        let made = match self.write_status().await {
            Ok(()) => {
                let (driver, wanted) = (Arc::clone(self.driver()), interface.clone());
                let from = Arc::clone(&live);
                off_thread(move || make_one(&driver, &from.container, &from.domain, wanted)).await
            }
            Err(error) => Err(error),
        };
        let subject = Subject::from(&*live.domain);
        self.driver().auditor.tell(&subject, |subject| {
            subject.gained(&interface, Reason::Attach, made.is_ok())
        });
        let (made, outcome) = match made {
            Ok(made) => (Some(made), Ok(())),
            Err(error) => (None, Err(error)),
        };
        change_live(self, |domain| {
            let all = &mut domain.devices.interfaces;
            all.retain(|other| other.info.alias() != Some(&alias));
            all.extend(made);
            Ok(())
        })?;
        outcome?;
        self.emit(Event::DeviceAdded { alias });
        Ok(())
    }

    /// Takes the interface in that place from the running container.
    ///
    /// # Errors
    /// SYSTEM_ERROR when it can't be taken, OPERATION_FAILED when the container does not have it as it was
    /// given any more.
    pub(crate) async fn detach_interface(&mut self, place: usize) -> Result<()> {
        let live = Arc::clone(self.guest().snapshot().running()?);
        let Some(interface) = live.domain.devices.interfaces.get(place).cloned() else {
            return Ok(());
        };
        let (driver, gone) = (Arc::clone(self.driver()), interface.clone());
        let from = Arc::clone(&live);
        let removing = off_thread(move || remove_one(&driver, &from.container, &from.domain, gone));
        let removed = removing.await;
        let subject = Subject::from(&*live.domain);
        self.driver().auditor.tell(&subject, |subject| {
            subject.lost(&interface, removed.is_ok())
        });
        removed?;
        let alias = interface.info.alias().unwrap_or_default().to_owned();
        change_live(self, |domain| {
            let all = &mut domain.devices.interfaces;
            all.retain(|other| other.info.alias() != Some(&alias));
            Ok(())
        })?;
        self.emit(Event::DeviceRemoved { alias });
        Ok(())
    }

    /// Puts the cable in or takes it out.
    ///
    /// # Errors
    /// OPERATION_UNSUPPORTED for any other change, and for a link that has no cable.
    pub(crate) async fn update_interface(&mut self, new: Interface) -> Result<()> {
        let live = Arc::clone(self.guest().snapshot().running()?);
        let place = meant::place(ErrorDomain::Lxc, &live.domain, &new)?;
        let Some(known) = live.domain.devices.interfaces.get(place) else {
            return Ok(());
        };
        meant::check_unchanged(ErrorDomain::Lxc, known, &new)?;
        let link = new.link;
        if link == known.link {
            return Ok(());
        }
        let name = cable(known)?;
        let up = link != Some(LinkState::Down);
        off_thread(move || host_end::set_link(&name, up)).await?;
        change_live(self, |domain| {
            if let Some(own) = domain.devices.interfaces.get_mut(place) {
                own.link = link;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Sets the limits of an interface of the running container.
    ///
    /// # Errors
    /// OPERATION_UNSUPPORTED for one without an end on the host, INTERNAL_ERROR with the words of tc(8).
    pub(crate) async fn limit_interface(
        &mut self,
        known: &Interface,
        limits: Option<Bandwidth>,
    ) -> Result<()> {
        let name = cable(known)?;
        let set = limits.clone();
        off_thread(move || virt_net::bandwidth::set(&name, set.as_ref())).await?;
        let mac = known.mac.clone();
        change_live(self, |domain| {
            let mut all = domain.devices.interfaces.iter_mut();
            if let Some(own) = all.find(|one| one.mac == mac) {
                own.limit(limits);
            }
            Ok(())
        })?;
        Ok(())
    }
}
