//! `<actual>`: what a libvirt network made of an interface of type `network`. Status files have it
//! beside the definition's own parts; clients see it in their place.
//!
//! Facts: status files and live documents of the distribution's daemon.

use super::{Interface, InterfaceSource, InterfaceType, MacTableManager};
use virt_xml::{Content, Element, Tree};

impl Interface {
    /// Notes that its network has it on a bridge: one of the network's own (`type` network), or
    /// one of the host's that the network stands for (`type` bridge). Nothing for other interfaces.
    pub fn plug_into(&mut self, bridge: &str, of_the_host: bool) {
        if !matches!(self.source, InterfaceSource::Network(_)) {
            return;
        }
        let kind = match of_the_host {
            true => InterfaceType::Bridge,
            false => InterfaceType::Network,
        };
        let with = |name: &str, attribute: &str, value: &str| Tree {
            attributes: vec![(attribute.to_owned(), value.to_owned())],
            ..Tree::new(name)
        };
        let mut actual = with("actual", "type", kind.word());
        let source = with("source", "bridge", bridge);
        actual.content.push(Content::Element(source));
        self.actual = Some(actual);
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
    }
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
        interface.plug_into("virbr7", false);
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
        interface.plug_into("br0", true);
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
}
