//! Options of network interfaces: back end and card.
//!
//! Facts: qemu-system(1) `-netdev`; `netdev_add` of QEMU 10.0's QMP schema; `-device
//! virtio-net-pci,help`.

use super::boot;
use super::character;
use super::command_line::Builder;
use super::context::{NetContext, StartContext, VhostNet};
use super::props::Props;
use super::virtio;
use crate::caps::CapFlag;
use crate::passt;
use serde_json::json;
use std::path::Path;
use virt_domain::Domain;
use virt_domain::devices::address::Address;
use virt_domain::devices::chardev::Reconnect;
use virt_domain::devices::interface::{
    Backend, Family, Interface, InterfaceDriver, InterfaceSource, Teaming, TxMode, VhostUser,
    VhostUserMode,
};
use virt_domain::devices::virtio::VirtioModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{OnOff, YesNo};

/// Seconds after which QEMU tries passt again.
const PASST_RECONNECT: u32 = 5;

pub(super) fn append(b: &mut Builder, domain: &Domain, context: &mut StartContext) -> Result<()> {
    let context = &mut NetContext {
        short_name: &context.short_name,
        config: context.config,
        descriptors: &mut *context.descriptors,
    };
    for (place, interface) in domain.devices.interfaces.iter().enumerate() {
        if interface.as_hostdev().is_some() {
            // It is one of the host devices.
            let tap = interface.backend.as_ref().and_then(|b| b.tap.as_ref());
            if tap.is_some() {
                return Err(unsupported(format!(
                    "interface {} - custom tap device path is not supported for network interfaces \
                     of type hostdev",
                    interface.mac_text()
                )));
            }
            continue;
        }
        let order = interface.info.boot_order();
        let order = order.or_else(|| boot::interface(domain, place));
        append_one(b, domain, interface, order, context)?;
    }
    Ok(())
}

/// One that is no host device.
pub(super) fn append_one(
    b: &mut Builder,
    domain: &Domain,
    interface: &Interface,
    order: Option<u32>,
    context: &mut NetContext,
) -> Result<()> {
    let alone = !matches!(
        interface.source,
        InterfaceSource::Network(_)
            | InterfaceSource::Bridge { .. }
            | InterfaceSource::Direct { .. }
            | InterfaceSource::Ethernet { .. }
            | InterfaceSource::Vhostuser(_)
            | InterfaceSource::Vdpa { .. }
    );
    if alone && queues(interface) > 1 {
        return Err(unsupported(format!(
            "multiqueue network is not supported for: {}",
            interface.kind()
        )));
    }
    let alias = interface.info.alias().unwrap_or_default();
    let id = format!("host{alias}");
    let netdev = backend(b, context, interface, alias)?.with("id", id.clone());
    b.netdev(&netdev);
    let props = card(interface)
        .with("netdev", id)
        .with("id", alias)
        .with("mac", interface.mac_text())
        .maybe("host_mtu", interface.mtu.filter(|_| interface.is_virtio()))
        .maybe("bootindex", order)
        .placed(domain, &interface.info)?
        .with_rom(&interface.info);
    b.device(&props);
    Ok(())
}

/// Pairs of queues.
fn queues(interface: &Interface) -> u32 {
    let driver = interface.driver.as_ref();
    driver.and_then(|d| d.queues).unwrap_or(1)
}

fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}

fn backend(
    b: &mut Builder,
    context: &mut NetContext,
    interface: &Interface,
    alias: &str,
) -> Result<Props> {
    let socket = |key: &str, value: String| Props::of("type", "socket").with(key, value);
    Ok(match &interface.source {
        InterfaceSource::User { .. } if interface.uses_passt() => {
            let path = passt::socket_path(&context.config.state_dir, context.short_name, alias);
            stream(b, &path)
        }
        InterfaceSource::User { .. } => user(interface),
        InterfaceSource::Ethernet { .. }
        | InterfaceSource::Network(_)
        | InterfaceSource::Bridge { .. }
        | InterfaceSource::Direct { .. } => tap(context, interface, alias)?,
        InterfaceSource::Vhostuser(source) => {
            let id = format!("char{alias}");
            if interface.uses_passt() {
                let folder = &context.config.state_dir;
                let path = passt::socket_path(folder, context.short_name, alias);
                let again = Reconnect {
                    enabled: YesNo::Yes,
                    timeout: Some(PASST_RECONNECT),
                };
                character::append_unix(b, &id, &path.display().to_string(), Some(again));
            } else {
                append_vhost_user(b, &id, source, interface)?;
            }
            let queues = Some(queues(interface)).filter(|queues| *queues > 1);
            Props::of("type", "vhost-user")
                .with("chardev", id)
                .maybe("queues", queues)
        }
        InterfaceSource::Server { address, port } => {
            let address = address.as_deref().unwrap_or_default();
            socket("listen", format!("{address}:{port}"))
        }
        InterfaceSource::Client { address, port } => socket("connect", format!("{address}:{port}")),
        InterfaceSource::Mcast { address, port } => socket("mcast", format!("{address}:{port}")),
        InterfaceSource::Udp {
            address,
            port,
            local_address,
            local_port,
        } => socket("udp", format!("{address}:{port}"))
            .with("localaddr", format!("{local_address}:{local_port}")),
        InterfaceSource::Vdpa { dev } => {
            let fd = context.descriptors.vhost_vdpa(Path::new(dev))?;
            let set = b.fdset(&[(fd, format!("{alias}-vdpa"))]);
            let queues = Some(queues(interface)).filter(|queues| *queues > 1);
            Props::of("type", "vhost-vdpa")
                .with("vhostdev", set)
                .maybe("queues", queues)
        }
        InterfaceSource::Internal { .. }
        | InterfaceSource::Hostdev { .. }
        | InterfaceSource::Null
        | InterfaceSource::Vds { .. } => {
            return Err(unsupported(format!(
                "QEMU has no network interface of type '{}'",
                interface.kind()
            )));
        }
    })
}

/// QEMU's own network for the guest, with the guest's addresses.
fn user(interface: &Interface) -> Props {
    let mut props = Props::of("type", "user");
    for ip in &interface.ips {
        match ip.family() {
            Family::Ipv4 => {
                let net = match ip.prefix {
                    Some(prefix) => format!("{}/{prefix}", ip.address),
                    None => ip.address.to_string(),
                };
                props.put("net", net);
            }
            Family::Ipv6 => {
                props.put("ipv6-prefix", ip.address.to_string());
                if let Some(prefix) = ip.prefix {
                    props.put("ipv6-prefixlen", prefix);
                }
            }
        }
    }
    props
}

/// A connection to passt.
fn stream(b: &Builder, path: &Path) -> Props {
    let address = json!({ "type": "unix", "path": path.display().to_string() });
    let props = Props::of("type", "stream")
        .with("addr", address)
        .with("server", false);
    if b.caps.has(CapFlag::NetdevStreamReconnectMiliseconds) {
        props.with("reconnect-ms", PASST_RECONNECT * 1000)
    } else if b.caps.has(CapFlag::NetdevStreamReconnect) {
        props.with("reconnect", PASST_RECONNECT)
    } else {
        props
    }
}

fn tap(context: &mut NetContext, interface: &Interface, alias: &str) -> Result<Props> {
    let name = interface.driver.as_ref().and_then(|d| d.name);
    let vhost = match name {
        _ if !interface.is_virtio() => VhostNet::No,
        Some(Backend::Qemu) => VhostNet::No,
        Some(Backend::Vhost) => VhostNet::Required,
        None => VhostNet::IfAvailable,
    };
    let fds = context.descriptors.tap(alias, queues(interface), vhost)?;
    let props = Props::of("type", "tap");
    let props = descriptors(props, "fd", "fds", &fds.tap);
    let props = if fds.vhost.is_empty() {
        props
    } else {
        descriptors(props.with("vhost", true), "vhostfd", "vhostfds", &fds.vhost)
    };
    Ok(props.maybe("sndbuf", interface.sndbuf))
}

fn descriptors(props: Props, one: &str, many: &str, fds: &[String]) -> Props {
    let key = if fds.len() == 1 { one } else { many };
    props.with(key, fds.join(":"))
}

fn append_vhost_user(
    b: &mut Builder,
    id: &str,
    source: &VhostUser,
    interface: &Interface,
) -> Result<()> {
    let path = source.path.as_deref().ok_or_else(|| {
        unsupported(format!(
            "the vhost-user interface {} has no socket; give its path in <source>",
            interface.mac_text()
        ))
    })?;
    match source.mode {
        Some(VhostUserMode::Server) => character::append_unix_server(b, id, path),
        Some(VhostUserMode::Client) | None => {
            character::append_unix(b, id, path, source.reconnect);
        }
    }
    Ok(())
}

/// The card, up to what names its back end.
fn card(interface: &Interface) -> Props {
    let model = interface.model.as_deref().unwrap_or("rtl8139");
    if !interface.is_virtio() {
        return Props::device(model);
    }
    let revisions = match model {
        "virtio-transitional" => VirtioModel::VirtioTransitional,
        "virtio-non-transitional" => VirtioModel::VirtioNonTransitional,
        _ => VirtioModel::Virtio,
    };
    let props = virtio::device("virtio-net", Some(revisions), &interface.info);
    let nothing = InterfaceDriver::default();
    let driver = interface.driver.as_ref().unwrap_or(&nothing);
    let bit = |value: Option<OnOff>| value.map(OnOff::is_on);
    let tx = driver.txmode.map(|mode| match mode {
        TxMode::Iothread => "bh",
        TxMode::Timer => "timer",
    });
    let host = driver.host.unwrap_or_default();
    let guest = driver.guest.unwrap_or_default();
    let queues = Some(queues(interface)).filter(|queues| *queues > 1);
    let on_ccw = matches!(interface.info.address, Some(Address::Ccw(_)));
    let vectors = queues.filter(|_| !on_ccw).map(|queues| 2 * queues + 2);
    let failover = matches!(interface.teaming, Some(Teaming::Persistent));
    props
        .with_virtio(Some(&driver.virtio))
        .maybe("tx", tx)
        .maybe("ioeventfd", bit(driver.ioeventfd))
        .maybe("event_idx", bit(driver.event_idx))
        .maybe("csum", bit(host.csum))
        .maybe("gso", bit(host.gso))
        .maybe("host_tso4", bit(host.tso4))
        .maybe("host_tso6", bit(host.tso6))
        .maybe("host_ecn", bit(host.ecn))
        .maybe("host_ufo", bit(host.ufo))
        .maybe("mrg_rxbuf", bit(host.mrg_rxbuf))
        .maybe("guest_csum", bit(guest.csum))
        .maybe("guest_tso4", bit(guest.tso4))
        .maybe("guest_tso6", bit(guest.tso6))
        .maybe("guest_ecn", bit(guest.ecn))
        .maybe("guest_ufo", bit(guest.ufo))
        .maybe("rss", bit(driver.rss))
        .maybe("hash", bit(driver.rss_hash_report))
        .maybe("mq", queues.map(|_| true))
        .maybe("vectors", vectors)
        .maybe("rx_queue_size", driver.rx_queue_size)
        .maybe("tx_queue_size", driver.tx_queue_size)
        .maybe("failover", failover.then_some(true))
}
