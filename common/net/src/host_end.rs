//! The host's end of a guest's interface: a tap or macvtap with all that was asked of it.
//!
//! Taps go with their descriptors; what does not go by itself is an [`End`], which undoes it.

use std::fs::OpenOptions;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::net::if_::if_nametoindex;
use uuid::Uuid;
use virt_domain::Domain;
use virt_domain::devices::interface::{
    DirectMode, Interface, InterfaceSource, Ip, NativeMode, Route, VirtualPortType, Vlan,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

use crate::rtnetlink::{LinkChange, Rtnetlink};
use crate::tap::{self, Tap, TapRequest};
use crate::{bandwidth, command, open_vswitch};

/// The node of the kernel's back end of virtio cards.
const VHOST: &str = "/dev/vhost-net";

/// Name of a tap that the definition does not name.
const ANY_TAP: &str = "vnet%d";

/// An interface whose host's end is to be made.
#[derive(Debug, Clone)]
pub struct HostEnd {
    /// As its network made it.
    interface: Interface,
    /// The guest.
    guest: Uuid,
    /// Whose guest it is.
    driver: ErrorDomain,
}

/// What undoes a host's end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// The link.
    pub link: String,
    /// Whether it is a port of Open vSwitch.
    switch: bool,
    /// Whether the link stays without us.
    macvtap: bool,
    /// Run before it goes.
    script: Option<String>,
}

fn system(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Error {
    move |cause| Error::system(ErrorDomain::None, what, &cause)
}

fn index_of(link: &str) -> Result<u32> {
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

    /// What undoes a host's end of that name.
    pub fn end(&self, link: &str) -> End {
        let direct = matches!(self.interface.source, InterfaceSource::Direct { .. });
        End {
            link: link.to_owned(),
            switch: self.on_switch(),
            macvtap: direct,
            script: self.interface.downscript.clone(),
        }
    }

    fn on_switch(&self) -> bool {
        let port = self.interface.virtualport.as_ref();
        port.and_then(|port| port.kind) == Some(VirtualPortType::Openvswitch)
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
            source => {
                let bridge = match source {
                    InterfaceSource::Network(source) => source.bridge.as_deref(),
                    InterfaceSource::Bridge { bridge, .. } => Some(bridge.as_str()),
                    _ => None,
                };
                self.tap(bridge, queues, made)?
            }
        };
        self.set_up(&tap.name)?;
        Ok(tap)
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
        if let (Some(bridge), true) = (bridge, self.on_switch()) {
            self.join_switch(bridge, &tap.name)?;
        } else if let (Some(vlan), Some(bridge)) = (&interface.vlan, bridge) {
            self.vlans(vlan, &tap.name, bridge)?;
        }
        if let (Some(bridge), Some(YesNo::Yes)) = (bridge, interface.isolated) {
            let link = &tap.name;
            let isolated = Rtnetlink::open().and_then(|kernel| {
                let index = if_nametoindex(link.as_str())?;
                kernel.isolate(index)
            });
            isolated.map_err(system(format!(
                "Unable to set bridge {bridge} port {link} isolated to 1"
            )))?;
        }
        Ok(tap)
    }

    fn join_switch(&self, bridge: &str, link: &str) -> Result<()> {
        let interface = &self.interface;
        let Some(switch) = &interface.virtualport else {
            return Ok(());
        };
        let port = open_vswitch::Port {
            bridge,
            link,
            mac: &interface.mac_text(),
            guest: self.guest,
            parameters: &switch.parameters,
            vlan: interface.vlan.as_ref(),
            limits: interface.bandwidth.as_ref(),
        };
        command::run("ovs-vsctl", &open_vswitch::add(&port)).map_err(|error| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::None,
                format!(
                    "Unable to add port {link} to OVS bridge {bridge}: {}",
                    error.message()
                ),
            )
        })?;
        open_vswitch::limits(&port)
            .iter()
            .try_for_each(|arguments| command::run("ovs-vsctl", arguments))
    }

    /// Makes the port of an ordinary bridge a member of its VLANs alone.
    fn vlans(&self, vlan: &Vlan, link: &str, bridge: &str) -> Result<()> {
        let set = || -> io::Result<()> {
            let index = if_nametoindex(link)?;
            let kernel = Rtnetlink::open()?;
            let list = members(vlan);
            // First, for it fails where the bridge does not look at tags.
            kernel.add_vlans(index, &list)?;
            // The bridge's own VLAN, in which it put the port.
            if !list.iter().any(|(_, tag)| *tag == 1) {
                kernel.remove_vlans(index, &[(0, 1)])?;
            }
            Ok(())
        };
        let filters =
            std::fs::read_to_string(format!("/sys/class/net/{bridge}/bridge/vlan_filtering"));
        if filters.is_ok_and(|text| text.trim() == "0") {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                self.driver,
                format!("bridge '{bridge}' does not filter VLANs; switch its vlan_filtering on"),
            ));
        }
        set().map_err(system(format!(
            "error adding vlan filter to interface {link}"
        )))
    }

    /// What every kind of link can have.
    fn set_up(&self, link: &str) -> Result<()> {
        let interface = &self.interface;
        if let InterfaceSource::Ethernet { ips, routes } = &interface.source {
            addresses(link, ips, routes)?;
        }
        if let Some(script) = &interface.script {
            command::run(script, &[link.to_owned()])?;
            up(link)?;
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

fn up(link: &str) -> Result<()> {
    let change = LinkChange {
        up: Some(true),
        ..LinkChange::default()
    };
    let index = index_of(link)?;
    Rtnetlink::open()
        .and_then(|kernel| kernel.change_link(index, change))
        .map_err(system(format!("Unable to set link {link} up")))
}

/// Gives the host's end its addresses and routes.
fn addresses(link: &str, ips: &[Ip], routes: &[Route]) -> Result<()> {
    if ips.is_empty() && routes.is_empty() {
        return Ok(());
    }
    let index = index_of(link)?;
    let kernel = Rtnetlink::open().map_err(system("cannot talk to the kernel"))?;
    let bits = |address: IpAddr, given: Option<u32>| {
        let all = if address.is_ipv4() { 32 } else { 128 };
        given
            .and_then(|bits| u8::try_from(bits).ok())
            .unwrap_or(all)
    };
    for ip in ips {
        let prefix = bits(ip.address, ip.prefix.or(usual_prefix(ip.address)));
        kernel
            .add_address(index, ip.address, prefix, ip.peer)
            .map_err(system(format!(
                "Failed to add IP address {}/{prefix} to {link}",
                ip.address
            )))?;
    }
    for route in routes {
        let masked = route.netmask.map(mask_bits);
        let prefix = bits(route.address, route.prefix.or(masked));
        kernel
            .add_route(index, route.address, prefix, route.gateway, route.metric)
            .map_err(system(format!(
                "Failed to add route {}/{prefix} via {} to {link}",
                route.address, route.gateway
            )))?;
    }
    Ok(())
}

/// The network's part of an address that doesn't say it: by class in the old family, 64 bits in the
/// new one.
fn usual_prefix(address: IpAddr) -> Option<u32> {
    match address {
        IpAddr::V4(address) => match address.octets()[0] {
            0..=127 => Some(8),
            128..=191 => Some(16),
            192..=223 => Some(24),
            _ => None,
        },
        IpAddr::V6(_) => Some(64),
    }
}

fn mask_bits(mask: IpAddr) -> u32 {
    match mask {
        IpAddr::V4(mask) => u32::from(mask).leading_ones(),
        IpAddr::V6(mask) => u128::from(mask).leading_ones(),
    }
}

/// The kernel's flags and the tag of each VLAN (linux/if_bridge.h).
fn members(vlan: &Vlan) -> Vec<(u16, u16)> {
    const PVID: u16 = 2;
    const UNTAGGED: u16 = 4;
    vlan.tags
        .iter()
        .map(|tag| {
            let flags = match (vlan.trunk, tag.native_mode) {
                (false, _) | (true, Some(NativeMode::Untagged)) => PVID | UNTAGGED,
                (true, Some(NativeMode::Tagged)) => PVID,
                (true, None) => 0,
            };
            (flags, tag.id)
        })
        .collect()
}

impl End {
    /// Undoes it; what can't be undone is told in the log. Blocks.
    pub fn undo(self) {
        let link = &self.link;
        let told = |what: &str, outcome: std::result::Result<(), String>| {
            if let Err(error) = outcome {
                tracing::warn!(link, %error, "{what}");
            }
        };
        if let Some(script) = &self.script {
            let ran = command::run(script, std::slice::from_ref(link));
            told(
                "the script for its end failed",
                ran.map_err(|e| e.to_string()),
            );
        }
        if self.switch {
            let ran = command::run("ovs-vsctl", &open_vswitch::remove(link));
            told(
                "a port of Open vSwitch is left",
                ran.map_err(|e| e.to_string()),
            );
        }
        if self.macvtap
            && let Ok(index) = if_nametoindex(link.as_str())
        {
            let gone = Rtnetlink::open().and_then(|kernel| kernel.delete_link(index));
            told("a macvtap is left", gone.map_err(|e| e.to_string()));
        }
    }
}

/// What undoes the host's ends of a guest that was found running.
pub fn ends(domain: &Domain, driver: ErrorDomain) -> Vec<End> {
    let interfaces = domain.devices.interfaces.iter();
    interfaces
        .filter_map(|interface| {
            let end = HostEnd::of(interface, domain.uuid, driver).ok()??;
            Some(end.end(interface.target_dev()?))
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(text: &str) -> Interface {
        virt_xml::read_named("interface", text).unwrap().0
    }

    #[test]
    fn what_stays_without_us_is_undone() {
        let of = |text: &str| {
            HostEnd::of(&interface(text), Uuid::nil(), ErrorDomain::Qemu)
                .unwrap()
                .unwrap()
        };
        let direct = of("<interface type='direct'><source dev='eth0'/></interface>");
        assert!(direct.end("macvtap0").macvtap);
        let scripted = of("<interface type='ethernet'><downscript path='/x'/></interface>");
        let end = scripted.end("vnet0");
        assert_eq!(
            (end.script.as_deref(), end.switch, end.macvtap),
            (Some("/x"), false, false)
        );
        let switched = "<interface type='bridge'><source bridge='b'/>
            <virtualport type='openvswitch'/></interface>";
        assert!(of(switched).end("vnet0").switch);
        let user = interface("<interface type='user'/>");
        assert!(
            HostEnd::of(&user, Uuid::nil(), ErrorDomain::Qemu)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_port_is_in_its_vlans_as_they_say() {
        let vlan = |text: &str| virt_xml::read_named::<Vlan>("vlan", text).unwrap().0;
        assert_eq!(members(&vlan("<vlan><tag id='7'/></vlan>")), [(6, 7)]);
        let trunk = "<vlan trunk='yes'><tag id='3' nativeMode='tagged'/><tag id='5'/></vlan>";
        assert_eq!(members(&vlan(trunk)), [(2, 3), (0, 5)]);
    }

    #[test]
    fn addresses_without_a_prefix_get_the_usual_one() {
        for (address, prefix) in [("10.0.0.1", 8), ("192.168.1.1", 24), ("fd00::1", 64)] {
            assert_eq!(usual_prefix(address.parse().unwrap()), Some(prefix));
        }
        assert_eq!(mask_bits("255.255.240.0".parse().unwrap()), 20);
    }
}
