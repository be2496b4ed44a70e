//! Protocol nodes of disks on servers.
//!
//! Facts: QEMU's QAPI schema of `BlockdevOptions`; formatdomain "disk sources"; command lines of the
//! stock daemon.

use super::credentials::{AuthSecret, TlsObject};
use super::unsupported;
use crate::argv::props::Props;
use serde_json::{Value, json};
use virt_domain::devices::storage::{Host, HostTransport, Network, NetworkProtocol};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

/// Port that stands for "the protocol's own".
const UNSAID: u16 = 0;

/// The node, without its name.
pub(super) fn protocol(
    network: &Network,
    auth: Option<&AuthSecret>,
    cookies: Option<String>,
    tls: Option<TlsObject>,
) -> Result<Props> {
    use NetworkProtocol as P;
    let name = network.name.as_deref().unwrap_or_default();
    Ok(match network.protocol {
        P::Nbd => {
            let (credentials, hostname) = match tls {
                Some(tls) => (Some(tls.object), tls.hostname),
                None => (None, None),
            };
            Props::of("driver", "nbd")
                .with("server", server(one(network)?, 10809)?)
                .maybe("export", network.name.clone())
                .maybe("tls-creds", credentials)
                .maybe("tls-hostname", hostname)
                .maybe("reconnect-delay", network.reconnect.and_then(|r| r.delay))
        }
        P::Rbd => rbd(network, name, auth)?,
        P::Gluster => {
            let (volume, path) = name.split_once('/').unwrap_or((name, ""));
            let servers = network.hosts.iter().map(|h| server(h, 24007));
            Props::of("driver", "gluster")
                .with("volume", volume)
                .with("path", path)
                .with("server", servers.collect::<Result<Vec<_>>>()?)
                .with("debug", 4)
        }
        P::Iscsi => iscsi(network, name, auth)?,
        P::Http | P::Https | P::Ftp | P::Ftps | P::Tftp => curl(network, name, auth, cookies)?,
        P::Ssh => {
            let host = one(network)?;
            let identity = network.identity.as_ref();
            let user = auth.map(|auth| auth.user.clone());
            Props::of("driver", "ssh")
                .with("path", name)
                .with("server", inet(host, 22)?)
                .maybe("user", user.or_else(|| identity?.username.clone()))
        }
        P::Nfs => {
            let host = one(network)?;
            let identity = network.identity.as_ref();
            Props::of("driver", "nfs")
                .with(
                    "server",
                    json!({ "host": host.name.clone().unwrap_or_default(), "type": "inet" }),
                )
                .with("path", name)
                .maybe("user", user_id(identity.and_then(|i| i.user.as_deref()))?)
                .maybe(
                    "group",
                    group_id(identity.and_then(|i| i.group.as_deref()))?,
                )
        }
        P::Vxhs => {
            return Err(unsupported(
                "VxHS protocol is not supported with this QEMU binary",
            ));
        }
        P::Sheepdog => {
            return Err(unsupported(
                "'sheepdog' protocol is no longer supported by any hypervisor driver",
            ));
        }
    })
}

fn one(network: &Network) -> Result<&Host> {
    match network.hosts.as_slice() {
        [host] => Ok(host),
        _ => Err(internal(match network.protocol {
            NetworkProtocol::Iscsi => "iSCSI protocol accepts only one host".to_owned(),
            other => format!("{other} protocol accepts only one host"),
        })),
    }
}

/// The number of a user: `+7`, or by name.
fn user_id(user: Option<&str>) -> Result<Option<u32>> {
    let Some(user) = user else { return Ok(None) };
    if let Some(number) = number(user) {
        return Ok(Some(number));
    }
    match nix::unistd::User::from_name(user) {
        Ok(Some(found)) => Ok(Some(found.uid.as_raw())),
        _ => Err(internal(format!("Unable to get user id of '{user}'"))),
    }
}

/// The number of a group: `+7`, or by name.
fn group_id(group: Option<&str>) -> Result<Option<u32>> {
    let Some(group) = group else { return Ok(None) };
    if let Some(number) = number(group) {
        return Ok(Some(number));
    }
    match nix::unistd::Group::from_name(group) {
        Ok(Some(found)) => Ok(Some(found.gid.as_raw())),
        _ => Err(internal(format!("Unable to get group id of '{group}'"))),
    }
}

fn number(text: &str) -> Option<u32> {
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

fn rbd(network: &Network, name: &str, auth: Option<&AuthSecret>) -> Result<Props> {
    let (pool, image) = name.split_once('/').unwrap_or((name, ""));
    let servers: Vec<Value> = network
        .hosts
        .iter()
        .map(|host| inet(host, UNSAID))
        .collect::<Result<_>>()?;
    let props = Props::of("driver", "rbd")
        .with("pool", pool)
        .with("image", image)
        .maybe(
            "snapshot",
            network.snapshot.as_ref().map(|s| s.name.clone()),
        )
        .maybe("conf", network.config.as_ref().map(|c| c.file.clone()))
        .maybe("server", (!servers.is_empty()).then_some(servers))
        .maybe("user", auth.map(|a| a.user.clone()))
        .maybe(
            "auth-client-required",
            auth.map(|_| json!(["cephx", "none"])),
        )
        .maybe("key-secret", auth.map(|a| a.object.clone()));
    Ok(props)
}

fn iscsi(network: &Network, name: &str, auth: Option<&AuthSecret>) -> Result<Props> {
    let (target, lun) = name.split_once('/').unwrap_or((name, "0"));
    let lun: u32 = lun
        .parse()
        .map_err(|_| internal(format!("cannot parse target for lunStr '{target}'")))?;
    let host = one(network)?;
    if host.transport == Some(HostTransport::Unix) {
        return Err(unsupported("an iSCSI server at a UNIX socket"));
    }
    let portal = format!(
        "{}:{}",
        bracketed(host.name.as_deref().unwrap_or_default()),
        host.port.unwrap_or(3260)
    );
    Ok(Props::of("driver", "iscsi")
        .with("portal", portal)
        .with("target", target)
        .with("lun", lun)
        .with("transport", "tcp")
        .maybe("user", auth.map(|a| a.user.clone()))
        .maybe("password-secret", auth.map(|a| a.object.clone()))
        .maybe(
            "initiator-name",
            network.initiator.as_ref().map(|i| i.iqn.name.clone()),
        ))
}

fn curl(
    network: &Network,
    name: &str,
    auth: Option<&AuthSecret>,
    cookies: Option<String>,
) -> Result<Props> {
    use NetworkProtocol as P;
    // Certificates are for those that have TLS.
    let ssl = network
        .ssl
        .filter(|_| matches!(network.protocol, P::Https | P::Ftps));
    Ok(Props::of("driver", network.protocol.word())
        .with("url", url(network, name)?)
        .maybe("username", auth.map(|a| a.user.clone()))
        .maybe("password-secret", auth.map(|a| a.object.clone()))
        .maybe("sslverify", ssl.map(|ssl| ssl.verify == YesNo::Yes))
        .maybe("cookie-secret", cookies)
        .maybe(
            "timeout",
            network.timeout.map(|t| t.seconds).filter(|s| *s > 0),
        )
        .maybe(
            "readahead",
            network.readahead.map(|r| r.size).filter(|s| *s > 0),
        ))
}

/// The address of what is on an HTTP, FTP or TFTP server.
pub(crate) fn url(network: &Network, name: &str) -> Result<String> {
    let host = one(network)?;
    // What can't be reached otherwise than over TCP is QEMU's to refuse.
    let (scheme, port) = match host.transport.unwrap_or_default() {
        HostTransport::Tcp => (network.protocol.word().to_owned(), host.port),
        other => (format!("{}+{other}", network.protocol), None),
    };
    let server = bracketed(host.name.as_deref().unwrap_or_default());
    let port = port.map(|p| format!(":{p}")).unwrap_or_default();
    let slash = if name.starts_with('/') { "" } else { "/" };
    let query = network
        .query
        .as_ref()
        .map(|q| format!("?{q}"))
        .unwrap_or_default();
    Ok(format!("{scheme}://{server}{port}{slash}{name}{query}"))
}

/// A server that can only be reached over TCP.
fn inet(host: &Host, port: u16) -> Result<Value> {
    if host.transport.unwrap_or_default() != HostTransport::Tcp {
        return Err(internal(
            "only TCP protocol can be converted to InetSocketAddress",
        ));
    }
    Ok(json!({
        "host": host.name.clone().unwrap_or_default(),
        "port": host.port.unwrap_or(port).to_string(),
    }))
}

/// An address of version 6 in brackets.
fn bracketed(name: &str) -> String {
    if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_owned()
    }
}

fn server(host: &Host, port: u16) -> Result<Value> {
    Ok(match host.transport.unwrap_or_default() {
        HostTransport::Unix => json!({
            "type": "unix",
            "path": host.socket.clone().unwrap_or_default(),
        }),
        HostTransport::Tcp => json!({
            "type": "inet",
            "host": host.name.clone().unwrap_or_default(),
            "port": host.port.unwrap_or(port).to_string(),
        }),
        HostTransport::Rdma => {
            return Err(internal("transport protocol 'rdma' is not yet supported"));
        }
    })
}

fn internal(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Qemu, text)
}
