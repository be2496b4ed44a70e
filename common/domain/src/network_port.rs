//! `<networkport>`: what a guest's interface has of a network, as the network's daemon is asked for
//! it and answers.
//!
//! Facts: libvirt's schema `networkport.rng`; ports of the distribution's daemon.

use crate::devices::address::PciAddress;
use crate::devices::interface::{
    Bandwidth, DirectMode, Interface, InterfaceSource, MacAddress, MacTableManager, VirtualPort,
    Vlan,
};
use std::borrow::Cow;
use uuid::Uuid;
use virt_error::Result;
use virt_xml::{Element, Value, Words, YesNo};

/// A port of a network.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct NetworkPort {
    /// Its own UUID; who asks for a port chooses it.
    #[xml(child_text)]
    pub uuid: Uuid,
    /// The guest.
    #[xml(child)]
    pub owner: PortOwner,
    /// The guest's card.
    #[xml(child)]
    pub mac: PortMac,
    /// The group whose settings apply.
    #[xml(child_text)]
    pub group: Option<String>,
    /// Whether the host's filters follow what the guest asks its card for.
    #[xml(child)]
    pub rxfilters: Option<RxFilters>,
    /// Port of a switch.
    #[xml(child)]
    pub virtualport: Option<VirtualPort>,
    /// Limits.
    #[xml(child)]
    pub bandwidth: Option<Bandwidth>,
    /// VLAN tags.
    #[xml(child)]
    pub vlan: Option<Vlan>,
    /// How it is one among others.
    #[xml(child)]
    pub port: Option<PortOptions>,
    /// What the guest is connected to; the network's daemon says.
    #[xml(child)]
    pub plug: Option<Plug>,
}

/// The guest that has a port.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct PortOwner {
    /// Its name.
    #[xml(child_text)]
    pub name: String,
    /// Its UUID.
    #[xml(child_text)]
    pub uuid: Uuid,
}

/// `<mac address=''/>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct PortMac {
    /// The address.
    #[xml(attr)]
    pub address: MacAddress,
}

impl Value for MacAddress {
    fn from_text(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn to_text(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }

    fn allowed() -> String {
        "a hardware address of 6 bytes, such as 52:54:00:12:34:56".to_owned()
    }
}

/// `<rxfilters>`.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct RxFilters {
    /// Whether the guest is trusted.
    #[xml(attr = "trustGuest")]
    pub trust_guest: YesNo,
}

/// `<port>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Element)]
pub struct PortOptions {
    /// Whether it can't reach the other isolated ports of its bridge.
    #[xml(attr)]
    pub isolated: Option<YesNo>,
}

/// Kinds of connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum PlugType {
    /// A bridge of the network's own.
    Network,
    /// A bridge of the host.
    Bridge,
    /// A macvtap on an interface of the host.
    Direct,
    /// A network card of the host.
    HostdevPci,
}

/// `<plug>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Plug {
    /// The kind of connection.
    #[xml(attr = "type")]
    pub kind: PlugType,
    /// The bridge, of types `network` and `bridge`.
    #[xml(attr)]
    pub bridge: Option<String>,
    /// Who keeps the bridge's table of addresses.
    #[xml(attr = "macTableManager")]
    pub mac_table_manager: Option<MacTableManager>,
    /// The interface of the host, of type `direct`.
    #[xml(attr)]
    pub dev: Option<String>,
    /// How guests on it see each other.
    #[xml(attr)]
    pub mode: Option<DirectMode>,
    /// Whether the daemon takes the card from its driver, of type `hostdev-pci`.
    #[xml(attr)]
    pub managed: Option<YesNo>,
    /// Where the card sits, of type `hostdev-pci`.
    #[xml(child)]
    pub address: Option<PciAddress>,
}

impl NetworkPort {
    /// The port that an interface of a guest needs; `None` when its definition names no network or
    /// it has no hardware address.
    pub fn wanted(interface: &Interface, owner: PortOwner, uuid: Uuid) -> Option<Self> {
        let InterfaceSource::Network(source) = &interface.source else {
            return None;
        };
        Some(Self {
            uuid,
            owner,
            mac: PortMac {
                address: interface.mac.as_ref()?.address,
            },
            group: source.port.portgroup.clone(),
            rxfilters: interface
                .trust_guest_rx_filters
                .map(|trust_guest| RxFilters { trust_guest }),
            virtualport: interface.virtualport.clone(),
            bandwidth: interface.bandwidth.clone(),
            vlan: interface.vlan.clone(),
            port: interface.isolated.map(|isolated| PortOptions {
                isolated: Some(isolated),
            }),
            plug: None,
        })
    }

    /// Reads what a network's daemon answers; what is not known of it is passed over.
    ///
    /// # Errors
    /// XML_ERROR, XML_DETAIL when it is no port.
    pub fn read(text: &str) -> Result<Self> {
        Ok(virt_xml::read_named("networkport", text)?.0)
    }

    /// The port as a document.
    pub fn to_xml(&self) -> String {
        virt_xml::write("networkport", self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_asked_for_and_read() {
        let text = "<interface type='network'><mac address='52:54:00:00:00:01'/>\
            <source network='n1' portgroup='fast'/></interface>";
        let (interface, _) = virt_xml::read_named::<Interface>("interface", text).unwrap();
        let owner = PortOwner {
            name: "g1".into(),
            uuid: Uuid::from_u128(7),
        };
        let port = NetworkPort::wanted(&interface, owner, Uuid::from_u128(8)).unwrap();
        assert_eq!(
            port.to_xml(),
            "<networkport>\n  <uuid>00000000-0000-0000-0000-000000000008</uuid>\n  <owner>\n    \
             <name>g1</name>\n    <uuid>00000000-0000-0000-0000-000000000007</uuid>\n  </owner>\n  \
             <mac address='52:54:00:00:00:01'/>\n  <group>fast</group>\n</networkport>\n"
        );
        let answer = port.to_xml().replace(
            "</networkport>",
            "<plug type='bridge' bridge='br0'/></networkport>",
        );
        let answered = NetworkPort::read(&answer).unwrap();
        let plug = answered.plug.unwrap();
        assert_eq!(
            (plug.kind, plug.bridge.as_deref()),
            (PlugType::Bridge, Some("br0"))
        );
        assert!(NetworkPort::read("<network/>").is_err());
    }
}
