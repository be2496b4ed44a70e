//! `<actual>`: what a libvirt network made of an interface of type `network`. Status files have it
//! beside the definition's own parts; clients see it in their place.
//!
//! Facts: status files and live documents of the distribution's daemon.

use super::{
    Bandwidth, DirectMode, Interface, InterfaceSource, InterfaceType, MacTableManager, VirtualPort,
    Vlan,
};
use crate::devices::address::PciAddress;
use virt_xml::{Content, Element, Tree, YesNo};

/// What a network made of an interface.
#[derive(Debug, Clone, PartialEq)]
pub enum Made {
    /// A port of the network's own bridge.
    Network {
        /// The bridge.
        bridge: String,
    },
    /// A port of a bridge of the host that the network stands for.
    Bridge {
        /// The bridge.
        bridge: String,
    },
    /// A macvtap on an interface of the host.
    Direct {
        /// The interface.
        dev: String,
        /// How guests on it see each other.
        mode: DirectMode,
    },
    /// A network card of the host.
    Card {
        /// Where it sits on PCI.
        address: PciAddress,
        /// Whether the daemon takes it from its driver.
        managed: bool,
    },
}

/// What its network says of an interface besides its connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MadeParts {
    /// Port of a switch.
    pub virtualport: Option<VirtualPort>,
    /// VLAN tags.
    pub vlan: Option<Vlan>,
    /// Limits.
    pub bandwidth: Option<Bandwidth>,
    /// Whether it can't reach the other isolated ports of its bridge.
    pub isolated: bool,
    /// Whether the host's filters follow what the guest asks its card for.
    pub trusted: bool,
}

impl Interface {
    /// Notes what its network made of it. Nothing for other interfaces.
    pub fn plug_into(&mut self, made: &Made, parts: &MadeParts) {
        if !matches!(self.source, InterfaceSource::Network(_)) {
            return;
        }
        let kind = match made {
            Made::Network { .. } => InterfaceType::Network,
            Made::Bridge { .. } => InterfaceType::Bridge,
            Made::Direct { .. } => InterfaceType::Direct,
            Made::Card { .. } => InterfaceType::Hostdev,
        };
        let with = |name: &str, attributes: &[(&str, &str)]| Tree {
            attributes: attributes
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Tree::new(name)
        };
        let mut actual = with("actual", &[("type", kind.word())]);
        let mut attribute = |name: &str, value: &str| {
            actual.attributes.push((name.to_owned(), value.to_owned()));
        };
        if let Made::Card { managed: true, .. } = made {
            attribute("managed", "yes");
        }
        if parts.trusted {
            attribute("trustGuestRxFilters", "yes");
        }
        let source = match made {
            Made::Network { bridge } | Made::Bridge { bridge } => {
                with("source", &[("bridge", bridge)])
            }
            Made::Direct { dev, mode } => with("source", &[("dev", dev), ("mode", mode.word())]),
            Made::Card { address, .. } => {
                let mut source = Tree::new("source");
                source.content.extend(tree("address", Some(address)));
                source
            }
        };
        actual.content.push(Content::Element(source));
        actual
            .content
            .extend(tree("virtualport", parts.virtualport.as_ref()));
        actual.content.extend(tree("vlan", parts.vlan.as_ref()));
        actual
            .content
            .extend(tree("bandwidth", parts.bandwidth.as_ref()));
        if parts.isolated {
            let port = with("port", &[("isolated", "yes")]);
            actual.content.push(Content::Element(port));
        }
        self.actual = Some(actual);
    }

    /// The host's card that its network made it, and whether the daemon takes it from its driver.
    pub(super) fn actual_card(&self) -> Option<(PciAddress, YesNo)> {
        let actual = self.actual.as_ref()?;
        if actual.attribute("type") != Some(InterfaceType::Hostdev.word()) {
            return None;
        }
        let text = self.actual_source()?.element("address")?.to_xml(0);
        let (address, _) = virt_xml::read_named::<PciAddress>("address", &text).ok()?;
        let managed = YesNo::from(actual.attribute("managed") == Some("yes"));
        Some((address, managed))
    }

    /// What it is connected to in the end: as its network made it, else as it is defined.
    pub fn resolved(&self) -> Self {
        let mut resolved = self.clone();
        resolved.show_actual();
        resolved
    }

    /// Notes other limits: of what its network made, where it made something.
    pub fn limit(&mut self, limits: Option<Bandwidth>) {
        if let Some(actual) = &mut self.actual {
            let is_limits =
                |part: &Content| matches!(part, Content::Element(tree) if tree.name == "bandwidth");
            actual.content.retain(|part| !is_limits(part));
            actual.content.extend(tree("bandwidth", limits.as_ref()));
        }
        self.bandwidth = limits;
    }

    /// The bridge that its host's end is a port of.
    pub fn bridge(&self) -> Option<&str> {
        match &self.source {
            InterfaceSource::Bridge { bridge, .. } => Some(bridge),
            InterfaceSource::Network(_) => self.actual_source()?.attribute("bridge"),
            _ => None,
        }
    }

    fn actual_source(&self) -> Option<&Tree> {
        self.actual.as_ref()?.element("source")
    }

    /// Puts what the network made of it in the place of what it is defined as, as clients see a
    /// running guest.
    pub(crate) fn show_actual(&mut self) {
        let Some(actual) = self.actual.take() else {
            return;
        };
        let InterfaceSource::Network(defined) = &mut self.source else {
            return;
        };
        let attribute = |name: &str| actual.element("source")?.attribute(name);
        let bridge = attribute("bridge").map(str::to_owned);
        let manager = attribute("macTableManager").and_then(MacTableManager::from_word);
        match actual.attribute("type").and_then(InterfaceType::from_word) {
            Some(InterfaceType::Network) => {
                defined.bridge = bridge;
                defined.mac_table_manager = manager;
            }
            Some(InterfaceType::Bridge) => {
                if let Some(bridge) = bridge {
                    self.source = InterfaceSource::Bridge {
                        bridge,
                        mac_table_manager: manager,
                        network: Some(defined.port.clone()),
                    };
                }
            }
            Some(InterfaceType::Direct) => {
                if let Some(dev) = attribute("dev") {
                    self.source = InterfaceSource::Direct {
                        dev: dev.to_owned(),
                        mode: attribute("mode").and_then(super::DirectMode::from_word),
                        network: Some(defined.port.clone()),
                    };
                }
            }
            // A card of the host is shown as its network.
            _ => {}
        }
        replace(&mut self.vlan, &actual, "vlan");
        replace(&mut self.virtualport, &actual, "virtualport");
        replace(&mut self.bandwidth, &actual, "bandwidth");
        let isolated = actual.element("port").and_then(|p| p.attribute("isolated"));
        if isolated == Some("yes") {
            self.isolated = Some(YesNo::Yes);
        }
        if actual.attribute("trustGuestRxFilters") == Some("yes") {
            self.trust_guest_rx_filters = Some(YesNo::Yes);
        }
    }
}

/// A part as it stands in a document.
fn tree<E: Element>(name: &str, part: Option<&E>) -> Option<Content> {
    let text = virt_xml::write(name, part?);
    // What was just written can be read.
    virt_xml::parse(&text).ok().map(Content::Element)
}

/// Takes a part over from what the network made, if it is there.
fn replace<E: Element>(part: &mut Option<E>, actual: &Tree, name: &str) {
    let made = actual.element(name);
    let read = made.and_then(|made| virt_xml::read_named(name, &made.to_xml(0)).ok());
    if let Some((made, _)) = read {
        *part = Some(made);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_xml::{read_named, write};

    fn defined() -> Interface {
        let text = "<interface type='network'><mac address='52:54:00:00:00:01'/>\
            <source network='n1' portid='8e6b6d6f-4870-4200-8294-21fbd73a4c65'/></interface>";
        read_named("interface", text).unwrap().0
    }

    fn shown(interface: &Interface) -> String {
        let mut shown = interface.clone();
        shown.show_actual();
        write("interface", &shown)
    }

    #[test]
    fn status_files_and_clients_see_the_distributions_forms() {
        let mut interface = defined();
        assert_eq!(interface.bridge(), None);
        let made = Made::Network {
            bridge: "virbr7".to_owned(),
        };
        interface.plug_into(&made, &MadeParts::default());
        assert_eq!(interface.bridge(), Some("virbr7"));
        let kept = write("interface", &interface);
        assert!(
            kept.contains(
                "<source network='n1' portid='8e6b6d6f-4870-4200-8294-21fbd73a4c65'/>\n  \
                 <actual type=\"network\">\n    <source bridge=\"virbr7\"/>\n  </actual>"
            ),
            "{kept}"
        );
        let (again, _) = read_named::<Interface>("interface", &kept).unwrap();
        assert_eq!(write("interface", &again), kept);
        let seen = shown(&again);
        assert!(
            seen.contains(
                "<source network='n1' portid='8e6b6d6f-4870-4200-8294-21fbd73a4c65' bridge='virbr7'/>"
            ) && !seen.contains("actual"),
            "{seen}"
        );
    }

    #[test]
    fn a_bridge_of_the_host_is_shown_as_one_and_defined_as_the_network() {
        let mut interface = defined();
        let made = Made::Bridge {
            bridge: "br0".to_owned(),
        };
        interface.plug_into(&made, &MadeParts::default());
        let seen = shown(&interface);
        assert!(
            seen.starts_with("<interface type='bridge'>")
                && seen.contains(
                    "<source network='n1' portid='8e6b6d6f-4870-4200-8294-21fbd73a4c65' bridge='br0'/>"
                ),
            "{seen}"
        );
        interface.inactive();
        let stored = write("interface", &interface);
        assert!(
            stored.starts_with("<interface type='network'>")
                && stored.contains("<source network='n1'/>"),
            "{stored}"
        );
    }

    #[test]
    fn a_card_and_a_macvtap_are_noted_with_their_parts() {
        let mut interface = defined();
        let address = PciAddress {
            bus: 2,
            slot: 3,
            function: 4,
            ..PciAddress::default()
        };
        let card = Made::Card {
            address,
            managed: true,
        };
        interface.plug_into(&card, &MadeParts::default());
        let hostdev = interface.as_hostdev().unwrap();
        assert_eq!(hostdev.managed, Some(YesNo::Yes));
        assert!(write("hostdev", &hostdev).contains("bus='0x02' slot='0x03' function='0x4'"));
        let direct = Made::Direct {
            dev: "eth0".to_owned(),
            mode: DirectMode::Bridge,
        };
        let parts = MadeParts {
            bandwidth: Some(Bandwidth::default()),
            isolated: true,
            ..MadeParts::default()
        };
        interface.plug_into(&direct, &parts);
        assert!(interface.as_hostdev().is_none());
        let seen = shown(&interface);
        assert!(
            seen.contains("dev='eth0' mode='bridge'") && seen.contains("<port isolated='yes'/>"),
            "{seen}"
        );
    }
}
