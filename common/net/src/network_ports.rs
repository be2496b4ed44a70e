//! Interfaces of type `network`: their networks are another daemon's, which is asked for a port for
//! each at the guest's start and gets it back at its end.

use tokio::runtime::Handle;
use uuid::Uuid;
use virt_domain::Domain;
use virt_domain::devices::interface::{
    Interface, InterfaceSource, MacTableManager, Made, MadeParts, VirtualPortType,
};
use virt_domain::network_port::{NetworkPort, PlugType, PortOwner};
use virt_driver::network_ports::{self, Network};
use virt_driver::secondary::Neighbours;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

/// Chooses the UUIDs of the ports that the guest's networks are to make. What a document says of ports is
/// about another run.
pub fn choose(domain: &mut Domain) {
    domain.devices.interfaces.iter_mut().for_each(choose_one);
}

/// The same of one interface.
pub fn choose_one(interface: &mut Interface) {
    if let InterfaceSource::Network(source) = &mut interface.source {
        source.port.portid = Some(Uuid::new_v4());
        interface.actual = None;
    }
}

/// Has the networks make the ports that were chosen and notes in the guest what they are connected to.
/// `driver` is whose guest it is. Blocks.
///
/// # Errors
/// What the networks' daemon says; SYSTEM_ERROR naming its socket where it is not there;
/// CONFIG_UNSUPPORTED for a port that can't be served. The ports that were made by then, or may have
/// been, are noted in the guest: [`of`] finds them.
pub fn ask(neighbours: &Neighbours, driver: ErrorDomain, domain: &mut Domain) -> Result<()> {
    let owner = PortOwner {
        name: domain.name.clone(),
        uuid: domain.uuid,
    };
    let mut asked = Ok(());
    for interface in &mut domain.devices.interfaces {
        if asked.is_ok() {
            asked = ask_for_one(neighbours, driver, interface, owner.clone());
        } else if let InterfaceSource::Network(source) = &mut interface.source {
            source.port.portid = None;
        }
    }
    asked
}

fn ask_for_one(
    neighbours: &Neighbours,
    driver: ErrorDomain,
    interface: &mut Interface,
    owner: PortOwner,
) -> Result<()> {
    let InterfaceSource::Network(source) = &mut interface.source else {
        return Ok(());
    };
    let name = source.port.network.clone();
    // Until it is asked there is none.
    let id = source.port.portid.take().unwrap_or_else(Uuid::new_v4);
    let wanted = NetworkPort::wanted(interface, owner, id);
    let (Some(wanted), InterfaceSource::Network(source)) = (wanted, &mut interface.source) else {
        // Definitions are given addresses.
        return Err(fault(driver, "an interface has no hardware address"));
    };
    // This thread may wait; the daemon's own drives the runtime.
    let runtime = Handle::current();
    let network = runtime.block_on(Network::find(neighbours, &name))?;
    source.port.portid = Some(id);
    match runtime.block_on(network.create_port(&wanted)) {
        Ok(port) => {
            served(driver, &name, &port).and_then(|()| connect(driver, interface, &name, &port))
        }
        Err(error) => {
            // Nobody knows of one whose answer was lost; one that was refused is not there.
            if error.domain_number() != ErrorDomain::Rpc.number() {
                source.port.portid = None;
            }
            Err(error)
        }
    }
}

/// Refuses what can't be given to guests yet.
fn served(driver: ErrorDomain, network: &str, port: &NetworkPort) -> Result<()> {
    let kind = port.plug.as_ref().map(|plug| plug.kind);
    let direct = kind == Some(PlugType::Direct);
    let switch = port.virtualport.as_ref().and_then(|port| port.kind);
    for (what, asked) in [
        ("type 'hostdev-pci'", kind == Some(PlugType::HostdevPci)),
        (
            "<virtualport>",
            switch.is_some_and(|kind| direct || kind != VirtualPortType::Openvswitch),
        ),
        ("<vlan>", port.vlan.is_some() && direct),
        (
            "trustGuestRxFilters='yes'",
            port.rxfilters.as_ref().map(|r| r.trust_guest) == Some(YesNo::Yes),
        ),
    ] {
        if asked {
            return Err(unsupported(
                driver,
                format!(
                    "{what} of network '{network}' is not supported yet for guests; use a network without \
                 it"
                ),
            ));
        }
    }
    Ok(())
}

/// Notes what the port is connected to.
///
/// # Errors
/// INTERNAL_ERROR for a port that is connected to nothing, CONFIG_UNSUPPORTED for one that can't be
/// served.
pub fn connect(
    driver: ErrorDomain,
    interface: &mut Interface,
    network: &str,
    port: &NetworkPort,
) -> Result<()> {
    let Some(plug) = &port.plug else {
        return Err(fault(
            driver,
            &format!("the port of network '{network}' is connected to nothing"),
        ));
    };
    if plug.mac_table_manager == Some(MacTableManager::Libvirt) {
        return Err(unsupported(
            driver,
            format!(
                "macTableManager='libvirt' of network '{network}' is not supported yet for guests; use a \
             network without it"
            ),
        ));
    }
    let lacks = |what: &str| {
        let text = format!("the port of network '{network}' names no {what}");
        fault(driver, &text)
    };
    let bridge = || plug.bridge.clone().ok_or_else(|| lacks("bridge"));
    let made = match plug.kind {
        PlugType::Network => Made::Network { bridge: bridge()? },
        PlugType::Bridge => Made::Bridge { bridge: bridge()? },
        PlugType::Direct => Made::Direct {
            dev: plug.dev.clone().ok_or_else(|| lacks("interface"))?,
            mode: plug.mode.unwrap_or_default(),
        },
        PlugType::HostdevPci => Made::Card {
            address: plug.address.ok_or_else(|| lacks("device"))?,
            managed: plug.managed == Some(YesNo::Yes),
        },
    };
    let parts = MadeParts {
        virtualport: port.virtualport.clone(),
        vlan: port.vlan.clone(),
        bandwidth: port.bandwidth.clone(),
        isolated: port.port.as_ref().and_then(|p| p.isolated) == Some(YesNo::Yes),
        trusted: port.rxfilters.as_ref().map(|r| r.trust_guest) == Some(YesNo::Yes),
    };
    interface.plug_into(&made, &parts);
    Ok(())
}

/// The ports that the guest's interfaces have.
pub fn of(domain: &Domain) -> Vec<(String, Uuid)> {
    let interfaces = domain.devices.interfaces.iter();
    let ports = interfaces.filter_map(|interface| match &interface.source {
        InterfaceSource::Network(source) => {
            Some((source.port.network.clone(), source.port.portid?))
        }
        _ => None,
    });
    ports.collect()
}

/// Gives the guest's ports back; what can't be given back is told in the log. Blocks.
pub fn give_back(neighbours: &Neighbours, guest: &str, ports: &[(String, Uuid)]) {
    if ports.is_empty() {
        return;
    }
    let deleted = Handle::current().block_on(network_ports::delete(neighbours, ports));
    if let Err(error) = deleted {
        let left: Vec<String> = ports
            .iter()
            .map(|(network, port)| format!("'{network}' {port}"))
            .collect();
        tracing::warn!(
            guest, %error,
            "ports of networks may be left, to be removed by net-port-delete: {}",
            left.join(", ")
        );
    }
}

fn unsupported(driver: ErrorDomain, text: String) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, driver, text)
}

fn fault(driver: ErrorDomain, text: &str) -> Error {
    Error::new(ErrorCode::InternalError, driver, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface() -> Interface {
        let text = "<interface type='network'><mac address='52:54:00:00:00:01'/>\
            <source network='n1'/></interface>";
        virt_xml::read_named("interface", text).unwrap().0
    }

    fn port(inside: &str) -> NetworkPort {
        let text = format!(
            "<networkport><uuid>8e6b6d6f-4870-4200-8294-21fbd73a4c65</uuid>
             <owner><name>g</name><uuid>8e6b6d6f-4870-4200-8294-21fbd73a4c66</uuid></owner>
             <mac address='52:54:00:00:00:01'/>{inside}</networkport>"
        );
        NetworkPort::read(&text).unwrap()
    }

    #[test]
    fn bridges_are_connected_to() {
        for kind in ["network", "bridge"] {
            let mut interface = interface();
            let port = port(&format!("<plug type='{kind}' bridge='br7'/>"));
            connect(ErrorDomain::Qemu, &mut interface, "n1", &port).unwrap();
            assert_eq!(interface.bridge(), Some("br7"));
        }
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        for (inside, named) in [
            ("<plug type='direct'/>", "names no interface"),
            (
                "<plug type='hostdev-pci' managed='yes'/>",
                "names no device",
            ),
            (
                "<plug type='network' bridge='b' macTableManager='libvirt'/>",
                "macTableManager",
            ),
            ("", "connected to nothing"),
            ("<plug type='network'/>", "names no bridge"),
        ] {
            let error =
                connect(ErrorDomain::Qemu, &mut interface(), "n1", &port(inside)).unwrap_err();
            let text = error.message();
            assert!(text.contains(named) && text.contains("'n1'"), "{text}");
        }
    }
}
