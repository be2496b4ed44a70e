//! Protocol nodes of disks on servers.
//!
//! Facts: QEMU's QAPI schema of `BlockdevOptions`; formatdomain "disk sources".

use super::props::Props;
use serde_json::{Value, json};
use virt_domain::devices::storage::{Host, HostTransport, Network, NetworkProtocol, StorageSource};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

/// The node, without its name.
pub(super) fn protocol(network: &Network, source: &StorageSource) -> Result<Props> {
    use NetworkProtocol as P;
    if source.auth.is_some() {
        return Err(unsupported(
            "<auth> of a disk: passwords can't be handed to QEMU yet",
        ));
    }
    let name = network.name.as_deref().unwrap_or_default();
    Ok(match network.protocol {
        P::Nbd => Props::of("driver", "nbd")
            .with("server", server(one(network)?, 10809))
            .maybe("export", network.name.clone())
            .maybe("reconnect-delay", network.reconnect.and_then(|r| r.delay)),
        P::Rbd => rbd(network, name)?,
        P::Gluster => {
            let (volume, path) = name.split_once('/').ok_or_else(|| {
                Error::new(
                    ErrorCode::XmlError,
                    ErrorDomain::Qemu,
                    format!("missing gluster volume name for path '{name}'"),
                )
            })?;
            let servers: Vec<_> = network.hosts.iter().map(|h| server(h, 24007)).collect();
            Props::of("driver", "gluster")
                .with("volume", volume)
                .with("path", path)
                .with("server", servers)
                .with("debug", 4)
        }
        P::Iscsi => {
            let (target, lun) = name.split_once('/').unwrap_or((name, "0"));
            let lun: u32 = lun.parse().map_err(|_| {
                Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::Qemu,
                    format!("cannot parse target for lunStr '{lun}'"),
                )
            })?;
            let host = one(network)?;
            Props::of("driver", "iscsi")
                .with(
                    "portal",
                    format!(
                        "{}:{}",
                        bracketed(host.name.as_deref().unwrap_or_default()),
                        host.port.unwrap_or(3260)
                    ),
                )
                .with("target", target)
                .with("lun", lun)
                .with("transport", "tcp")
                .maybe(
                    "initiator-name",
                    network.initiator.as_ref().map(|i| i.iqn.name.clone()),
                )
        }
        P::Http | P::Https | P::Ftp | P::Ftps | P::Tftp => curl(network, name)?,
        P::Ssh => {
            let host = one(network)?;
            let identity = network.identity.as_ref();
            if identity.is_some_and(|i| i.keyfile.is_some() || i.agentsock.is_some())
                || network.known_hosts.is_some()
            {
                return Err(unsupported(
                    "keys, agents and known hosts of a disk over SSH",
                ));
            }
            Props::of("driver", "ssh")
                .with("path", name)
                .with(
                    "server",
                    json!({
                        "host": host.name.clone().unwrap_or_default(),
                        "port": host.port.unwrap_or(22).to_string(),
                    }),
                )
                .maybe("user", identity.and_then(|i| i.username.clone()))
        }
        P::Nfs => {
            let host = one(network)?;
            let identity = network.identity.as_ref();
            let number = |text: Option<&String>| -> Result<Option<u32>> {
                // The schema allows a leading plus: an id by number.
                text.map(|t| t.strip_prefix('+').unwrap_or(t).parse())
                    .transpose()
                    .map_err(|_| unsupported("names of NFS users and groups; use numbers"))
            };
            Props::of("driver", "nfs")
                .with(
                    "server",
                    json!({ "host": host.name.clone().unwrap_or_default(), "type": "inet" }),
                )
                .with("path", name)
                .maybe("user", number(identity.and_then(|i| i.user.as_ref()))?)
                .maybe("group", number(identity.and_then(|i| i.group.as_ref()))?)
        }
        P::Sheepdog | P::Vxhs => {
            return Err(unsupported(format!(
                "disks over '{}', which QEMU no longer has",
                network.protocol
            )));
        }
    })
}

fn one(network: &Network) -> Result<&Host> {
    match network.hosts.as_slice() {
        [host] => Ok(host),
        _ => Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            match network.protocol {
                NetworkProtocol::Iscsi => "iSCSI protocol accepts only one host".to_owned(),
                other => format!("protocol '{other}' accepts only one host"),
            },
        )),
    }
}

fn rbd(network: &Network, name: &str) -> Result<Props> {
    let (pool, image) = name.split_once('/').unwrap_or((name, ""));
    let servers: Vec<Value> = network
        .hosts
        .iter()
        .map(|host| {
            json!({
                "host": host.name.clone().unwrap_or_default(),
                "port": host.port.unwrap_or(6789).to_string(),
            })
        })
        .collect();
    Ok(Props::of("driver", "rbd")
        .with("pool", pool)
        .with("image", image)
        .maybe(
            "snapshot",
            network.snapshot.as_ref().map(|s| s.name.clone()),
        )
        .maybe("conf", network.config.as_ref().map(|c| c.file.clone()))
        .maybe("server", (!servers.is_empty()).then_some(servers)))
}

fn curl(network: &Network, name: &str) -> Result<Props> {
    if network.cookies.is_some() {
        return Err(unsupported(
            "<cookies> of a disk: secrets can't be handed to QEMU yet",
        ));
    }
    let host = one(network)?;
    let scheme = network.protocol.word();
    let server = bracketed(host.name.as_deref().unwrap_or_default());
    let port = host.port.map(|p| format!(":{p}")).unwrap_or_default();
    let slash = if name.starts_with('/') { "" } else { "/" };
    let query = network
        .query
        .as_ref()
        .map(|q| format!("?{q}"))
        .unwrap_or_default();
    Ok(Props::of("driver", scheme)
        .with(
            "url",
            format!("{scheme}://{server}{port}{slash}{name}{query}"),
        )
        .maybe("sslverify", network.ssl.map(|ssl| ssl.verify == YesNo::Yes))
        .maybe("readahead", network.readahead.map(|r| r.size))
        .maybe("timeout", network.timeout.map(|t| t.seconds)))
}

/// An address of version 6 in brackets.
fn bracketed(name: &str) -> String {
    if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_owned()
    }
}

fn server(host: &Host, port: u16) -> Value {
    match host.transport.unwrap_or_default() {
        HostTransport::Unix => json!({
            "type": "unix",
            "path": host.socket.clone().unwrap_or_default(),
        }),
        HostTransport::Tcp | HostTransport::Rdma => json!({
            "type": "inet",
            "host": host.name.clone().unwrap_or_default(),
            "port": host.port.unwrap_or(port).to_string(),
        }),
    }
}

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, what)
}
