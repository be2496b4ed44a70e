//! The host's end of a guest's interface: a tap or macvtap with all that was asked of it.
//!
//! Taps go with their descriptors; what does not go by itself is an [`End`], which undoes it.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::net::if_::if_nametoindex;
use uuid::Uuid;
use virt_domain::devices::interface::{DirectMode, Interface, InterfaceSource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

use crate::addresses::addresses;
use crate::end::End;
use crate::rtnetlink::{LinkChange, Rtnetlink};
use crate::tap::{self, Tap, TapRequest};
use crate::{bandwidth, command};

/// The node of the kernel's back end of virtio cards.
const VHOST: &str = "/dev/vhost-net";

/// Name of a tap that the definition does not name.
const ANY_TAP: &str = "vnet%d";

/// An interface whose host's end is to be made.
#[derive(Debug, Clone)]
pub struct HostEnd {
    /// As its network made it.
    pub(crate) interface: Interface,
    /// The guest.
    pub(crate) guest: Uuid,
    /// Whose guest it is.
    pub(crate) driver: ErrorDomain,
}

pub(crate) fn system(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Error {
    move |cause| Error::system(ErrorDomain::None, what, &cause)
}

pub(crate) fn index_of(link: &str) -> Result<u32> {
    if_nametoindex(link)
        .map_err(|cause| system(format!("cannot get the index of link {link}"))(cause.into()))
}

impl HostEnd {
    /// Of an interface that has one; `driver` is whose guest it is.
    ///
    /// # Errors
    /// INTERNAL_ERROR for a network that made no port.
    pub fn of(interface: &Interface, guest: Uuid, driver: ErrorDomain) -> Result<Option<Self>> {
        if let InterfaceSource::Network(source) = &interface.source
            && interface.actual.is_none()
        {
            return Err(Error::new(
                ErrorCode::InternalError,
                driver,
                format!("there is no port of network '{}' yet", source.port.network),
            ));
        }
        let interface = interface.resolved();
        let has = interface.as_hostdev().is_none()
            && matches!(
                interface.source,
                InterfaceSource::Network(_)
                    | InterfaceSource::Bridge { .. }
                    | InterfaceSource::Ethernet { .. }
                    | InterfaceSource::Direct { .. }
            );
        Ok(has.then_some(Self {
            interface,
            guest,
            driver,
        }))
    }

    /// The node that makes its tap; none for a macvtap, which is a node of its own.
    pub fn tap_path(&self) -> Option<&str> {
        let own = self
            .interface
            .backend
            .as_ref()
            .and_then(|own| own.tap.as_deref());
        let direct = matches!(self.interface.source, InterfaceSource::Direct { .. });
        (!direct).then_some(own.unwrap_or(tap::NODE))
    }

    /// The node of the kernel's back end.
    pub fn vhost_path(&self) -> &str {
        let own = self.interface.backend.as_ref();
        own.and_then(|own| own.vhost.as_deref()).unwrap_or(VHOST)
    }

    /// The guest's address.
    pub fn mac(&self) -> String {
        self.interface.mac_text()
    }

    /// Makes it with that many queues. Blocks. `made` hears what is to be undone, also of a host's end
    /// that could not be finished.
    ///
    /// # Errors
    /// SYSTEM_ERROR, INTERNAL_ERROR naming the bridge, link or program.
    pub fn make(&self, queues: u32, made: &mut Vec<End>) -> Result<Tap> {
        let interface = &self.interface;
        let tap = match &interface.source {
            InterfaceSource::Direct { dev, mode, .. } => {
                let mode = mode.unwrap_or_default();
                let tap = super::macvtap::create(&super::macvtap::Request {
                    lower: dev,
                    name: interface.target_dev(),
                    mode,
                    mac: interface.mac.as_ref().map_or([0; 6], |mac| mac.address.0),
                    queues,
                    virtio_header: interface.is_virtio(),
                })?;
                made.push(self.end(&tap.name));
                tap
            }
            _ => self.tap(self.bridge(), queues, made)?,
        };
        self.set_up(&tap.name)?;
        Ok(tap)
    }

    /// The bridge that it becomes a port of.
    pub(crate) fn bridge(&self) -> Option<&str> {
        match &self.interface.source {
            InterfaceSource::Network(source) => source.bridge.as_deref(),
            InterfaceSource::Bridge { bridge, .. } => Some(bridge),
            _ => None,
        }
    }

    fn tap(&self, bridge: Option<&str>, queues: u32, made: &mut Vec<End>) -> Result<Tap> {
        let interface = &self.interface;
        let managed = interface.target.as_ref().and_then(|t| t.managed) != Some(YesNo::No);
        let name = interface.target_dev();
        if !managed && name.is_none_or(|name| if_nametoindex(name).is_err()) {
            return Err(Error::new(
                ErrorCode::InternalError,
                self.driver,
                "target managed='no' but specified dev doesn't exist",
            ));
        }
        let request = TapRequest {
            node: self.tap_path().unwrap_or(tap::NODE).to_owned(),
            name: name.unwrap_or(ANY_TAP).to_owned(),
            queues,
            virtio_header: interface.is_virtio(),
            guest_mac: interface.mac.as_ref().map_or([0; 6], |mac| mac.address.0),
            bridge: bridge.filter(|_| !self.on_switch()).map(str::to_owned),
            mtu: interface.mtu,
            // A script sees it before it is up.
            up: interface.script.is_none(),
        };
        let tap = match managed {
            true => tap::create(&request)?,
            // Somebody else set it up.
            false => tap::open(&request).map_err(system(format!(
                "Unable to open tap device {}",
                request.name
            )))?,
        };
        made.push(self.end(&tap.name));
        if let Some(bridge) = bridge {
            self.join(bridge, &tap.name)?;
        }
        Ok(tap)
    }

    /// What every kind of link can have.
    pub(crate) fn set_up(&self, link: &str) -> Result<()> {
        let interface = &self.interface;
        if let InterfaceSource::Ethernet { ips, routes } = &interface.source {
            let kernel = Rtnetlink::open().map_err(system("cannot talk to the kernel"))?;
            addresses(&kernel, index_of(link)?, link, ips, routes)?;
        }
        if let Some(script) = &interface.script {
            command::run(script, &[link.to_owned()])?;
            set_link(link, true)?;
        }
        if let Some(limits) = interface.bandwidth.as_ref().filter(|_| !self.on_switch()) {
            // What the tap was given to begin with is in the way.
            for arguments in bandwidth::commands(link, limits) {
                command::run("tc", &arguments)?;
            }
        }
        if let Some(most) = interface.coalesce_rx {
            tap::coalesce(link, most).map_err(system(format!(
                "Cannot set coalesce info on interface '{link}'"
            )))?;
        }
        Ok(())
    }
}

/// Has the link be up, or not.
///
/// # Errors
/// SYSTEM_ERROR naming it.
pub fn set_link(link: &str, up: bool) -> Result<()> {
    let change = LinkChange {
        up: Some(up),
        ..LinkChange::default()
    };
    let index = index_of(link)?;
    let word = if up { "up" } else { "down" };
    Rtnetlink::open()
        .and_then(|kernel| kernel.change_link(index, change))
        .map_err(system(format!("Unable to set link {link} {word}")))
}

/// Opens a character device for reading and writing.
pub(crate) fn open_node(path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    Ok(file.into())
}

/// The kernel's number of a way to share a link (linux/if_link.h, `macvlan_mode`).
pub(crate) fn macvlan_mode(mode: DirectMode) -> u32 {
    match mode {
        DirectMode::Private => 1,
        DirectMode::Vepa => 2,
        DirectMode::Bridge => 4,
        DirectMode::Passthrough => 8,
    }
}
