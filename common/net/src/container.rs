//! The ends of a container's interfaces: pairs of links with one end in the container's network
//! namespace and the other one on the host, and links on a link of the host that are in the container
//! alone. They go with the namespace.

use std::io;
use std::os::fd::AsFd;

use virt_domain::devices::interface::{Interface, InterfaceSource, Ip, LinkState, Route};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::addresses::addresses;
use crate::end::End;
use crate::host_end::{HostEnd, macvlan_mode, set_link, system};
use crate::names::first_free;
use crate::namespace::Namespace;
use crate::rtnetlink::{Link, LinkChange, Macvlan, Rtnetlink, VethEnd};
use crate::tap::{Bridge, host_address};

/// How links are called in a container that nobody names.
const INSIDE: &str = "eth";

/// How the host's ends are called that nobody names.
const OUTSIDE: &str = "vnet";

/// The network namespace of a container, to make links in it.
#[derive(Debug)]
pub struct Inside<'a> {
    namespace: &'a Namespace,
    kernel: Rtnetlink,
}

/// What was made of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The host's end; none of a link that is in the container alone.
    pub link: Option<String>,
    /// The container's.
    pub inside: String,
}

impl<'a> Inside<'a> {
    /// That of a container.
    ///
    /// # Errors
    /// SYSTEM_ERROR when the kernel does not let us in.
    pub fn of(namespace: &'a Namespace) -> Result<Self> {
        let kernel = Rtnetlink::within(namespace.as_fd());
        Ok(Self {
            namespace,
            kernel: kernel.map_err(system("cannot enter the container's network"))?,
        })
    }

    /// Switches the container's loopback on.
    ///
    /// # Errors
    /// SYSTEM_ERROR.
    pub fn loopback(&self) -> Result<()> {
        self.set_up("lo", &[], &[])
    }

    /// The name that was asked for, else the first that is free.
    fn name(&self, wanted: Option<&str>) -> Result<String> {
        let find = |name: &str| {
            let found = self.kernel.find(name);
            found.map_err(system("cannot look at the container's links"))
        };
        if let Some(wanted) = wanted {
            return match find(wanted)? {
                None => Ok(wanted.to_owned()),
                Some(_) => Err(Error::new(
                    ErrorCode::OperationFailed,
                    ErrorDomain::Lxc,
                    format!("the container has an interface '{wanted}' already"),
                )),
            };
        }
        let mut number = 0u32;
        loop {
            let name = format!("{INSIDE}{number}");
            if find(&name)?.is_none() {
                return Ok(name);
            }
            number = number.saturating_add(1);
        }
    }

    /// Takes away a link that is in the container alone.
    ///
    /// # Errors
    /// OPERATION_FAILED when the container does not call it as it was called any more, SYSTEM_ERROR.
    pub fn remove(&self, interface: &Interface) -> Result<()> {
        let name = interface
            .guest
            .as_ref()
            .and_then(|end| end.actual.as_deref());
        let address = interface.mac.as_ref().map(|mac| mac.address.0);
        let found = name.and_then(|name| self.kernel.find(name).ok().flatten());
        let own = found.filter(|link| address.is_some_and(|own| link.address == own));
        let own = own.ok_or_else(|| {
            Error::new(
                ErrorCode::OperationFailed,
                ErrorDomain::Lxc,
                format!(
                    "the container has no interface '{}' with address {} any more: it changed one of \
                     them",
                    name.unwrap_or_default(),
                    interface.mac_text()
                ),
            )
        })?;
        let removed = self.kernel.delete_link(own.index);
        removed.map_err(system(format!("cannot remove interface '{}'", own.name)))
    }

    fn link(&self, name: &str) -> Result<Link> {
        let found = self
            .kernel
            .find(name)
            .and_then(|found| found.ok_or_else(|| io::Error::from_raw_os_error(nix::libc::ENODEV)));
        found.map_err(system(format!(
            "cannot find interface '{name}' in the container"
        )))
    }

    /// Switches a link on and gives it its addresses and routes.
    pub(crate) fn set_up(&self, name: &str, ips: &[Ip], routes: &[Route]) -> Result<()> {
        let link = self.link(name)?;
        let up = LinkChange {
            up: Some(true),
            ..LinkChange::default()
        };
        self.kernel
            .change_link(link.index, up)
            .map_err(system(format!("Unable to set link {name} up")))?;
        addresses(&self.kernel, link.index, name, ips, routes)
    }
}

impl HostEnd {
    /// The host's side of the address.
    pub(crate) fn host_address(&self) -> [u8; 6] {
        host_address(self.address())
    }

    fn address(&self) -> [u8; 6] {
        let mac = self.interface.mac.as_ref();
        mac.map_or([0; 6], |mac| mac.address.0)
    }

    /// Makes it for a container. Blocks. `made` hears what is to be undone, also of one that could not be
    /// finished.
    ///
    /// # Errors
    /// SYSTEM_ERROR, INTERNAL_ERROR, OPERATION_FAILED naming the bridge, link or program.
    pub fn make_in(&self, container: &Inside<'_>, made: &mut Vec<End>) -> Result<Made> {
        let interface = &self.interface;
        let wanted = interface.guest.as_ref().and_then(|end| end.dev.as_deref());
        let inside = container.name(wanted)?;
        let link = match &interface.source {
            InterfaceSource::Direct { dev, mode, .. } => {
                let mode = macvlan_mode(mode.unwrap_or_default());
                self.macvlan(container, dev, mode, &inside)?;
                None
            }
            _ => Some(self.pair(container, &inside, made)?),
        };
        container.set_up(&inside, &interface.ips, &interface.routes)?;
        Ok(Made { link, inside })
    }

    fn macvlan(&self, container: &Inside<'_>, lower: &str, mode: u32, inside: &str) -> Result<()> {
        let kernel = Rtnetlink::open().map_err(system("cannot talk to the kernel"))?;
        let below = Bridge::find(lower)?;
        let made = kernel.add_macvlan(&Macvlan {
            kind: "macvlan",
            name: inside,
            lower: below.index,
            mode,
            address: self.address(),
            namespace: Some(container.namespace.as_fd()),
        });
        let mac = self.mac();
        made.map_err(system(format!(
            "error creating macvlan interface {inside}@{lower} ({mac})"
        )))?;
        // One that takes the other over has that one's address to begin with.
        let change = LinkChange {
            address: Some(self.address()),
            mtu: self.interface.mtu,
            ..LinkChange::default()
        };
        let index = container.link(inside)?.index;
        let changed = container.kernel.change_link(index, change);
        changed.map_err(system(format!(
            "cannot set address {mac} and MTU of {inside}@{lower}"
        )))
    }

    fn pair(&self, container: &Inside<'_>, inside: &str, made: &mut Vec<End>) -> Result<String> {
        let interface = &self.interface;
        let bridge = self.bridge().filter(|_| !self.on_switch());
        let port_of = bridge.map(Bridge::find).transpose()?;
        let mtu = interface.mtu.or(port_of.map(|bridge| bridge.mtu));
        let kernel = Rtnetlink::open().map_err(system("cannot talk to the kernel"))?;
        let far = VethEnd {
            name: inside,
            address: self.address(),
            namespace: Some(container.namespace.as_fd()),
        };
        let add = |name: &str| {
            let near = VethEnd {
                name,
                address: self.host_address(),
                namespace: None,
            };
            kernel.add_veth(&near, &far, mtu)
        };
        let failed = |name: &str, cause: io::Error| {
            system(format!("cannot make the pair of links {name} and {inside}"))(cause)
        };
        let name = match interface.target_dev() {
            Some(name) => {
                add(name).map_err(|cause| failed(name, cause))?;
                name.to_owned()
            }
            None => first_free(OUTSIDE, add).map_err(|(name, cause)| failed(&name, cause))?,
        };
        made.push(self.end_of_pair(&name));
        let cable = interface.link != Some(LinkState::Down);
        let change = LinkChange {
            master: port_of.map(|bridge| bridge.index),
            // A script sees it before it is up.
            up: Some(cable && interface.script.is_none()),
            ..LinkChange::default()
        };
        let index = crate::host_end::index_of(&name)?;
        kernel
            .change_link(index, change)
            .map_err(system(match bridge {
                Some(bridge) => format!("Unable to add bridge {bridge} port {name}"),
                None => format!("Unable to set up link {name}"),
            }))?;
        if let Some(bridge) = self.bridge() {
            self.join(bridge, &name)?;
        }
        self.set_up(&name)?;
        if !cable {
            set_link(&name, false)?;
        }
        Ok(name)
    }
}
