//! What a start finds out before the command line is built, made up.

use super::settings::Settings;
use crate::argv;
use crate::ports::Ports;
use crate::prepare as paths;
use virt_domain::Domain;
use virt_domain::devices::graphics::Listen;
use virt_domain::devices::interface::InterfaceSource;
use virt_domain::devices::tpm::TpmBackend;
use virt_domain::network_port::NetworkPort;
use virt_error::{ErrorDomain, Result};
use virt_net::network_ports;

pub(super) fn prepare(domain: &mut Domain, settings: &Settings) -> Result<()> {
    let short_name = argv::short_name(-1, &domain.name);
    let folder = settings.config.lib_dir.join(format!("domain-{short_name}"));
    paths::prepare(domain, &settings.config, &short_name, &folder);
    for graphics in &mut domain.devices.graphics {
        for listen in &mut graphics.listens {
            if let Listen::Network { network, address } = listen {
                *address = network_address(settings, network);
            }
        }
    }
    let tls = settings.config.spice_tls;
    Ports::choose_unasked((5900, 65535), (5700, 65535), domain, tls)?;
    for tpm in &mut domain.devices.tpms {
        if let TpmBackend::Emulator(emulator) = &mut tpm.backend {
            emulator.socket = Some("/dev/test".to_owned());
        }
    }
    if let Some(vsock) = &mut domain.devices.vsock
        && vsock.is_auto()
    {
        vsock.cid = Some(42);
    }
    Ok(())
}

/// Connects interfaces to the ports of the fixtures: a network is called `NETWORK;PORT`.
pub(super) fn networks(domain: &mut Domain, settings: &Settings) -> Result<()> {
    for interface in &mut domain.devices.interfaces {
        let InterfaceSource::Network(source) = &interface.source else {
            continue;
        };
        let name = source.port.network.clone();
        let Some((network, port)) = name.split_once(';') else {
            continue;
        };
        let folder = settings.fixtures.join("network-ports");
        if let Ok(text) = std::fs::read_to_string(folder.join(format!("{port}.xml"))) {
            let port = NetworkPort::read(&text)?;
            network_ports::connect(ErrorDomain::Qemu, interface, network, &port)?;
        }
    }
    Ok(())
}

/// The address of a network of the fixtures on its bridge.
fn network_address(settings: &Settings, network: &str) -> Option<String> {
    let name = network.split(';').next().unwrap_or(network);
    let file = settings
        .fixtures
        .join("networks")
        .join(format!("{name}.xml"));
    let tree = virt_xml::parse(&std::fs::read_to_string(file).ok()?).ok()?;
    let ip = tree.element("ip")?;
    ip.attribute("address").map(str::to_owned)
}
