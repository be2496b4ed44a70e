//! Checks of interfaces against what QEMU and this driver can do.

use super::Context;
use super::refusal::unsupported;
use virt_domain::Domain;
use virt_domain::devices::interface::{
    Interface, InterfaceDriver, InterfaceSource, InterfaceType, VhostUserMode,
};
use virt_error::Result;
use virt_xml::YesNo;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    for interface in &domain.devices.interfaces {
        if !context.config.takes_unmet {
            not_yet(interface)?;
        }
        kind(interface)?;
        if let Some(driver) = &interface.driver {
            queues(interface, driver)?;
        }
    }
    Ok(())
}

/// What this driver can't do yet.
fn not_yet(interface: &Interface) -> Result<()> {
    let driver_can_not = [
        ("<virtualport>", interface.virtualport.is_some()),
        ("<vlan>", interface.vlan.is_some()),
        ("<bandwidth>", interface.bandwidth.is_some()),
        ("<filterref>", interface.filterref.is_some()),
        ("<coalesce>", interface.coalesce_rx.is_some()),
        (
            "<port isolated='yes'>",
            interface.isolated == Some(YesNo::Yes),
        ),
        ("<script>", interface.script.is_some()),
        ("<downscript>", interface.downscript.is_some()),
        ("<guest>", interface.guest.is_some()),
        ("<backenddomain>", interface.backenddomain.is_some()),
        (
            "trustGuestRxFilters='yes'",
            interface.trust_guest_rx_filters == Some(YesNo::Yes),
        ),
        (
            "<target managed='no'>",
            interface.target.as_ref().and_then(|t| t.managed) == Some(YesNo::No),
        ),
        (
            "the path of a device in <backend>",
            interface
                .backend
                .as_ref()
                .is_some_and(|b| b.tap.is_some() || b.vhost.is_some()),
        ),
    ];
    if let Some((what, _)) = driver_can_not.iter().find(|(_, asked)| *asked) {
        return Err(unsupported(format!(
            "{what} of interface {} is not supported yet; remove it",
            interface.mac_text()
        )));
    }
    match &interface.source {
        InterfaceSource::Ethernet { ips, routes } if !ips.is_empty() || !routes.is_empty() => {
            Err(unsupported(format!(
                "addresses of the host's end of interface {} are not supported yet; remove them",
                interface.mac_text()
            )))
        }
        InterfaceSource::Direct { .. }
        | InterfaceSource::Hostdev { .. }
        | InterfaceSource::Vdpa { .. } => Err(unsupported(format!(
            "interfaces of type '{}' are not supported yet",
            interface.kind()
        ))),
        _ => Ok(()),
    }
}

/// What can't be with that kind of connection.
fn kind(interface: &Interface) -> Result<()> {
    let kind = interface.kind();
    if matches!(
        kind,
        InterfaceType::Internal | InterfaceType::Null | InterfaceType::Vds
    ) {
        return Err(unsupported(format!(
            "QEMU has no network interface of type '{kind}'"
        )));
    }
    let guests_own = matches!(kind, InterfaceType::User | InterfaceType::Vhostuser);
    if interface.uses_passt() && !guests_own {
        return Err(unsupported(
            "The 'passt' backend can only be used with interface type='user' or type='vhostuser'",
        ));
    }
    let addresses = !interface.ips.is_empty() || !interface.routes.is_empty();
    if addresses && !guests_own {
        return Err(unsupported(
            "Setting interface guest-side IP address info is not supported",
        ));
    }
    if !interface.routes.is_empty() {
        return Err(unsupported(
            "routes of the guest's side of an interface are not supported by QEMU",
        ));
    }
    if let InterfaceSource::Vhostuser(source) = &interface.source {
        let passt = interface.uses_passt();
        if !passt && source.path.is_none() {
            return Err(unsupported(
                "vhostuser interface needs the path of a socket, or backend type 'passt'",
            ));
        }
        if source.mode == Some(VhostUserMode::Server) && source.reconnect.is_some() {
            return Err(unsupported(
                "'reconnect' attribute is not supported when source mode='server' for \
                 <interface type='vhostuser'>",
            ));
        }
        if !interface.is_virtio() {
            return Err(unsupported(
                "Wrong or no <model> 'type' attribute specified with <interface \
                 type='vhostuser'/>. vhostuser requires the virtio-net* frontend",
            ));
        }
    }
    Ok(())
}

fn queues(interface: &Interface, driver: &InterfaceDriver) -> Result<()> {
    for (name, size) in [
        ("rx_queue_size", driver.rx_queue_size),
        ("tx_queue_size", driver.tx_queue_size),
    ] {
        if size.is_some_and(|size| !size.is_power_of_two()) {
            return Err(unsupported(format!("{name} has to be a power of two")));
        }
    }
    let several = driver.queues.is_some_and(|queues| queues > 1);
    let can = matches!(
        interface.kind(),
        InterfaceType::Network
            | InterfaceType::Bridge
            | InterfaceType::Direct
            | InterfaceType::Ethernet
            | InterfaceType::Vhostuser
            | InterfaceType::Vdpa
    );
    if several && !can {
        return Err(unsupported(format!(
            "multiqueue network is not supported for: {}",
            interface.kind()
        )));
    }
    Ok(())
}
