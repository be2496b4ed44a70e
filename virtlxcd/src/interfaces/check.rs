//! What a definition may say of interfaces. Pure.

use virt_domain::Domain;
use virt_domain::devices::hostdev::HostdevKind;
use virt_domain::devices::interface::{
    Interface, InterfaceType, LinkState, Mac, MacAddress, VirtualPortType,
};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The kernel's names of links are at most that long, in bytes.
const MAX_NAME: usize = virt_net::tap::MAX_NAME;

/// Gives interfaces the addresses that they lack.
pub(crate) fn complete(domain: &mut Domain) {
    domain.devices.interfaces.iter_mut().for_each(complete_one);
}

/// The same of one.
pub(crate) fn complete_one(interface: &mut Interface) {
    let random = || Mac::from(MacAddress::generated(virt_domain::random));
    interface.mac.get_or_insert_with(random);
}

/// Whether the container has a network of its own: it asks for one, or has something to be in it.
pub(crate) fn owns_network(domain: &Domain) -> bool {
    let features = domain.features.as_ref();
    let mut hostdevs = domain.devices.hostdevs.iter();
    let is_shared = domain
        .lxc
        .as_ref()
        .is_some_and(|lxc| lxc.sharenet.is_some());
    if is_shared {
        return false;
    }
    features.is_some_and(|features| features.privnet)
        || !domain.devices.interfaces.is_empty()
        || hostdevs.any(|one| one.kind == HostdevKind::Net)
}

/// Refuses what containers' interfaces can't be.
///
/// # Errors
/// CONFIG_UNSUPPORTED, XML_ERROR naming it.
pub(crate) fn refuse(interface: &Interface) -> Result<()> {
    let unsupported = |what: String| {
        Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Lxc,
            what,
        ))
    };
    let kind = interface.kind();
    if !matches!(
        kind,
        InterfaceType::Network
            | InterfaceType::Bridge
            | InterfaceType::Ethernet
            | InterfaceType::Direct
    ) {
        return unsupported(format!(
            "<interface type='{kind}'> is not supported for containers; use 'network', 'bridge', \
             'ethernet' or 'direct'"
        ));
    }
    let direct = kind == InterfaceType::Direct;
    let port = interface.virtualport.as_ref().and_then(|port| port.kind);
    if let Some(port) = port
        && (direct || port != VirtualPortType::Openvswitch)
    {
        return unsupported(format!(
            "<virtualport type='{port}'> of an <interface type='{kind}'> is not supported for containers"
        ));
    }
    let idle = [
        ("<vlan>", direct && interface.vlan.is_some()),
        ("<bandwidth>", direct && interface.bandwidth.is_some()),
        ("<filterref>", direct && interface.filterref.is_some()),
        (
            "<link state='down'>",
            direct && interface.link == Some(LinkState::Down),
        ),
        ("<script>", direct && interface.script.is_some()),
        ("<driver>", interface.driver.is_some()),
        ("<backend>", interface.backend.is_some()),
        ("<teaming>", interface.teaming.is_some()),
        ("<tune>", interface.sndbuf.is_some()),
        ("<backenddomain>", interface.backenddomain.is_some()),
        ("<boot>", interface.info.boot_order().is_some()),
    ];
    if let Some((what, _)) = idle.iter().find(|(_, is_there)| *is_there) {
        return unsupported(format!(
            "{what} of an <interface type='{kind}'> is not supported for containers"
        ));
    }
    let names = [
        ("target", interface.target_dev()),
        (
            "guest",
            interface.guest.as_ref().and_then(|end| end.dev.as_deref()),
        ),
    ];
    for (element, name) in names {
        if let Some(name) = name.filter(|name| !can_be_a_name(name)) {
            return Err(Error::new(
                ErrorCode::XmlError,
                ErrorDomain::Lxc,
                format!(
                    "<{element} dev='{name}'>: the name of a link has 1 to {MAX_NAME} characters and no \
                     '/', ':', '%' or space"
                ),
            ));
        }
    }
    Ok(())
}

fn can_be_a_name(name: &str) -> bool {
    let odd = |c: char| matches!(c, '/' | ':' | '%' | '\0') || c.is_whitespace();
    (1..=MAX_NAME).contains(&name.len()) && !matches!(name, "." | "..") && !name.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(text: &str) -> Interface {
        virt_xml::read_named("interface", text).unwrap().0
    }

    #[test]
    fn what_a_container_can_not_have_is_named() {
        for (text, named) in [
            ("<interface type='user'/>", "type='user'"),
            (
                "<interface type='direct'><source dev='e'/><vlan><tag id='3'/></vlan></interface>",
                "<vlan>",
            ),
            (
                "<interface type='ethernet'><guest dev='much-too-long-a-name'/></interface>",
                "<guest dev='much-too-long-a-name'>",
            ),
            (
                "<interface type='ethernet'><target dev='a/b'/></interface>",
                "<target dev='a/b'>",
            ),
        ] {
            let error = refuse(&interface(text)).unwrap_err();
            assert!(error.message().contains(named), "{error}");
        }
        refuse(&interface(
            "<interface type='bridge'><source bridge='b'/><guest dev='lan'/></interface>",
        ))
        .unwrap();
    }

    #[test]
    fn an_interface_makes_the_network_the_containers_own() {
        let mut domain = Domain::default();
        assert!(!owns_network(&domain));
        let mut one = interface("<interface type='ethernet'/>");
        complete_one(&mut one);
        assert!(
            one.mac_text().starts_with("52:54:00:"),
            "{}",
            one.mac_text()
        );
        domain.devices.interfaces.push(one);
        assert!(owns_network(&domain));
    }
}
