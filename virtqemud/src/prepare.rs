//! What a start fills into the guest that is started, apart from what has to be asked of the host:
//! paths of sockets and the addresses that displays listen at. All of it is taken away again by
//! [`Domain::inactive`].

use crate::argv::DriverConfig;
use std::path::Path;
use virt_domain::Domain;
use virt_domain::devices::chardev::{Channel, ChannelTarget, CharBackend, CharSource, SourceMode};
use virt_domain::devices::graphics::{Graphics, GraphicsKind, Listen};

/// Fills in everything; `short_name` is `ID-SHORT`, `guest_dir` the guest's own folder.
/// Devices have their names already.
pub fn prepare(domain: &mut Domain, config: &DriverConfig, short_name: &str, guest_dir: &Path) {
    let folder = config.channel_target_dir.join(short_name);
    for channel in &mut domain.devices.channels {
        socket_of(channel, &folder);
    }
    for graphics in &mut domain.devices.graphics {
        listens(graphics, config, guest_dir);
    }
    let bus = config.state_dir.join("dbus");
    for graphics in &mut domain.devices.graphics {
        if let GraphicsKind::Dbus {
            p2p: false,
            address: address @ None,
            ..
        } = &mut graphics.kind
        {
            let socket = bus.join(format!("{short_name}-dbus.sock"));
            *address = Some(format!("unix:path={}", socket.display()));
        }
    }
}

/// The socket of a channel that names none: `FOLDER/TARGETNAME`, or named by its address.
fn socket_of(channel: &mut Channel, folder: &Path) {
    let CharSource {
        backend:
            CharBackend::Unix {
                path: path @ None,
                mode,
                ..
            },
        ..
    } = &mut channel.source
    else {
        return;
    };
    let ChannelTarget::Virtio { name, .. } = &channel.target else {
        return;
    };
    let file = match name {
        Some(name) => name.replace('/', "_"),
        None => match &channel.info.address {
            Some(virt_domain::devices::address::Address::VirtioSerial(serial)) => format!(
                "vioser-{:02}-{:02}-{:02}.sock",
                serial.controller,
                serial.bus,
                serial.port.unwrap_or(0)
            ),
            _ => return,
        },
    };
    *mode = SourceMode::Bind;
    *path = Some(folder.join(file).display().to_string());
}

/// The addresses and sockets that displays leave to the configuration.
fn listens(graphics: &mut Graphics, config: &DriverConfig, guest_dir: &Path) {
    let (address, auto_socket, file) = match &graphics.kind {
        GraphicsKind::Vnc(_) => (&config.vnc_listen, config.vnc_auto_unix_socket, "vnc.sock"),
        GraphicsKind::Spice(_) => (
            &config.spice_listen,
            config.spice_auto_unix_socket,
            "spice.sock",
        ),
        GraphicsKind::Rdp(_) => (&config.vnc_listen, false, "rdp.sock"),
        _ => return,
    };
    for listen in &mut graphics.listens {
        match listen {
            Listen::Address { address: None, .. } if auto_socket => {
                *listen = Listen::Socket {
                    path: Some(guest_dir.join(file).display().to_string()),
                    generated: true,
                };
            }
            Listen::Address {
                address: chosen @ None,
                from_config,
            } => {
                *chosen = Some(address.clone());
                *from_config = true;
            }
            Listen::Socket {
                path: path @ None,
                generated,
            } => {
                *path = Some(guest_dir.join(file).display().to_string());
                *generated = true;
            }
            _ => {}
        }
    }
}
