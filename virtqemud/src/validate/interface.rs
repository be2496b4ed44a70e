//! Checks of interfaces against what QEMU and this driver can do.

use super::Context;
use super::input::has_usb;
use super::refusal::unsupported;
use super::shared_memory;
use virt_domain::Domain;
use virt_domain::devices::interface::{
    Family, Interface, InterfaceDriver, InterfaceSource, InterfaceType, Teaming, VhostUserMode,
    VirtualPortType,
};
use virt_domain::devices::virtio::VirtioOptions;
use virt_error::Result;
use virt_xml::YesNo;

/// Queues of a tap device, by the kernel.
const MAX_TAP_QUEUES: u32 = 256;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    for interface in &domain.devices.interfaces {
        not_ours(interface)?;
        if !context.config.takes_unmet {
            not_yet(interface)?;
        }
        kind(interface)?;
        if matches!(interface.source, InterfaceSource::Vhostuser(_)) {
            shared_memory::required(domain, "interface")?;
        }
        if interface.model.as_deref() == Some("usb-net") && !has_usb(domain) {
            return Err(unsupported(
                "USB is disabled for this domain, but USB devices are present in the domain XML",
            ));
        }
        if let (InterfaceType::Vdpa, Some(model)) = (interface.kind(), &interface.model)
            && !model.starts_with("virtio")
        {
            return Err(unsupported(format!(
                "invalid model for interface of type 'vdpa': '{model}' - must be 'virtio'"
            )));
        }
        if let (Some(Teaming::Persistent), Some(model)) = (&interface.teaming, &interface.model)
            && !interface.is_virtio()
        {
            return Err(unsupported(format!(
                "virtio-net teaming persistent interface must be <model type='virtio'/>, not '{model}'"
            )));
        }
        if let Some(Teaming::Transient { .. }) = &interface.teaming
            // A network's kind is known when the guest starts.
            && !matches!(interface.kind(), InterfaceType::Hostdev | InterfaceType::Network)
        {
            return Err(unsupported(format!(
                "virtio-net teaming transient interface must be type='hostdev', not '{}'",
                interface.kind()
            )));
        }
        if let Some(driver) = &interface.driver {
            if !interface.is_virtio() {
                transport(&driver.virtio)?;
            }
            queues(interface, driver)?;
        }
    }
    Ok(())
}

/// Only virtio's transport has options.
fn transport(options: &VirtioOptions) -> Result<()> {
    let said = [
        ("iommu driver", options.iommu.is_some()),
        ("ats driver", options.ats.is_some()),
        ("packed driver", options.packed.is_some()),
        ("page_per_vq", options.page_per_vq.is_some()),
    ];
    match said.iter().find(|(_, said)| *said) {
        Some((what, _)) => Err(unsupported(format!(
            "{what} option is only supported for virtio devices"
        ))),
        None => Ok(()),
    }
}

/// What other drivers have, and what this one can't do yet.
fn not_ours(interface: &Interface) -> Result<()> {
    let foreign = [
        ("<guest>", interface.guest.is_some()),
        ("<backenddomain>", interface.backenddomain.is_some()),
    ];
    if let Some((what, _)) = foreign.iter().find(|(_, said)| *said) {
        return Err(unsupported(format!(
            "{what} of interface {} has no meaning for QEMU guests; remove it",
            interface.mac_text()
        )));
    }
    Ok(())
}

/// What this driver can't do yet.
fn not_yet(interface: &Interface) -> Result<()> {
    let kind = interface.kind();
    let refused = |what: &str| {
        Err(unsupported(format!(
            "{what} of interface {} of type '{kind}' is not supported yet; remove it",
            interface.mac_text()
        )))
    };
    let on_a_link = matches!(
        kind,
        InterfaceType::Network
            | InterfaceType::Bridge
            | InterfaceType::Ethernet
            | InterfaceType::Direct
    );
    let on_a_bridge = matches!(kind, InterfaceType::Network | InterfaceType::Bridge);
    match interface.virtualport.as_ref().and_then(|port| port.kind) {
        Some(VirtualPortType::Openvswitch) if on_a_bridge => {}
        Some(switch) => return refused(&format!("<virtualport type='{switch}'>")),
        None => {}
    }
    for (what, asked) in [
        ("<vlan>", interface.vlan.is_some() && !on_a_bridge),
        ("<bandwidth>", interface.bandwidth.is_some() && !on_a_link),
        (
            "trustGuestRxFilters='yes'",
            interface.trust_guest_rx_filters == Some(YesNo::Yes),
        ),
    ] {
        if asked {
            return refused(what);
        }
    }
    if kind == InterfaceType::Hostdev {
        return Err(unsupported(
            "interfaces of type 'hostdev' are not supported yet: their hardware address is not set; \
             use <hostdev>",
        ));
    }
    Ok(())
}

/// What can't be with that kind of connection.
fn kind(interface: &Interface) -> Result<()> {
    let kind = interface.kind();
    if matches!(
        kind,
        InterfaceType::Internal | InterfaceType::Null | InterfaceType::Vds
    ) {
        return Err(unsupported(format!(
            "network interfaces of type '{kind}' are not supported by this driver"
        )));
    }
    let many = |family: Family| {
        interface
            .ips
            .iter()
            .filter(|ip| ip.family() == family)
            .count()
            > 1
    };
    for (family, name) in [(Family::Ipv4, "IPv4"), (Family::Ipv6, "IPv6")] {
        if kind == InterfaceType::User && many(family) {
            return Err(unsupported(format!(
                "Only one {name} address per interface is allowed"
            )));
        }
    }
    let on_a_tap = matches!(
        kind,
        InterfaceType::Network | InterfaceType::Bridge | InterfaceType::Ethernet
    );
    let sized = on_a_tap || kind == InterfaceType::Vhostuser || interface.uses_passt();
    if interface.mtu.is_some() && !sized {
        return Err(unsupported(format!(
            "setting MTU on interface type {kind} is not supported yet"
        )));
    }
    if interface.coalesce_rx.is_some() && !(on_a_tap || kind == InterfaceType::Direct) {
        return Err(unsupported(format!(
            "coalesce settings on interface type {kind} are not supported"
        )));
    }
    let switched = matches!(
        kind,
        InterfaceType::Network
            | InterfaceType::Bridge
            | InterfaceType::Direct
            | InterfaceType::Hostdev
    );
    if interface.virtualport.is_some() && !switched {
        return Err(unsupported(format!(
            "<virtualport> element unsupported for <interface type='{kind}'>"
        )));
    }
    let guests_own = matches!(kind, InterfaceType::User | InterfaceType::Vhostuser);
    if interface.uses_passt() && !guests_own {
        return Err(unsupported(
            "The 'passt' backend can only be used with interface type='user' or type='vhostuser'",
        ));
    }
    if guests_own {
        let ips = interface
            .ips
            .iter()
            .filter(|ip| ip.family() == Family::Ipv6);
        if let Some(prefix) = ips.filter_map(|ip| ip.prefix).find(|prefix| *prefix != 64) {
            return Err(unsupported(format!(
                "unsupported IPv6 address prefix='{prefix}' - must be 64"
            )));
        }
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
            | InterfaceType::User
    );
    if several && !can {
        return Err(unsupported(format!(
            "multiqueue network is not supported for: {}",
            interface.kind()
        )));
    }
    let taps = !matches!(
        interface.kind(),
        InterfaceType::Vhostuser | InterfaceType::Vdpa
    );
    if taps && driver.queues.is_some_and(|queues| queues > MAX_TAP_QUEUES) {
        return Err(unsupported(format!(
            "interface {} has too many queues; at most {MAX_TAP_QUEUES} are allowed",
            interface.mac_text()
        )));
    }
    Ok(())
}
