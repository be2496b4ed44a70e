//! How an image names the one below: a path (relative to its own folder), an address with a scheme,
//! or QEMU's `json:{…}`.
//!
//! Facts: qemu-system(1) "Device URL syntax"; QEMU's QAPI schema of `BlockdevOptions`.

use serde_json::Value;
use virt_domain::devices::storage::{
    Host, HostTransport, Location, Network, NetworkProtocol, StorageFormat,
};

/// Deepest nesting of `file` in a `json:` name.
const MAX_NESTING: usize = 8;

/// Where a name leads and what it says of the format.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Where.
    pub location: Location,
    /// The format, where a `json:` name says it.
    pub format: Option<StorageFormat>,
}

/// Where `name` leads, seen from an image in `folder`; nothing when it is in no known form.
pub fn resolve(name: &str, folder: &str) -> Option<Named> {
    if let Some(json) = name.strip_prefix("json:") {
        let value: Value = serde_json::from_str(json).ok()?;
        return from_json(&value, folder, MAX_NESTING);
    }
    if let Some(location) = from_uri(name) {
        return Some(Named {
            location,
            format: None,
        });
    }
    let path = name.strip_prefix("file:").unwrap_or(name);
    Some(Named {
        location: file(absolute(path, folder)),
        format: None,
    })
}

fn file(path: String) -> Location {
    Location::File {
        path: Some(path),
        fdgroup: None,
    }
}

fn absolute(path: &str, folder: &str) -> String {
    if path.starts_with('/') || folder.is_empty() {
        path.to_owned()
    } else {
        format!("{}/{path}", folder.trim_end_matches('/'))
    }
}

/// `SCHEME[+TRANSPORT]://[SERVER[:PORT]]/NAME[?socket=PATH]`.
fn from_uri(name: &str) -> Option<Location> {
    let (scheme, rest) = name.split_once("://")?;
    let (scheme, transport) = scheme.split_once('+').unwrap_or((scheme, ""));
    let protocol = NetworkProtocol::from_word(scheme)?;
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
    // Credentials in a name can't be kept as such.
    if server.contains('@') {
        return None;
    }
    let (host_name, port) = if let Some(inside) = server.strip_prefix('[') {
        let (address, rest) = inside.split_once(']')?;
        (address, rest.strip_prefix(':'))
    } else {
        server
            .split_once(':')
            .map_or((server, None), |(name, port)| (name, Some(port)))
    };
    let mut network = Network::new(protocol);
    network.name = (!path.is_empty()).then(|| path.to_owned());
    if transport == "unix" {
        let socket = query?.split('&').find_map(|q| q.strip_prefix("socket="))?;
        network.hosts.push(Host {
            transport: Some(HostTransport::Unix),
            socket: Some(socket.to_owned()),
            ..Host::default()
        });
    } else {
        network.query = query.map(str::to_owned);
        network.hosts.push(Host {
            transport: match transport {
                "" | "tcp" => None,
                "rdma" => Some(HostTransport::Rdma),
                _ => return None,
            },
            name: Some(host_name.to_owned()).filter(|n| !n.is_empty()),
            port: match port {
                None => None,
                Some(port) => Some(port.parse().ok()?),
            },
            socket: None,
        });
    }
    Some(Location::Network(Box::new(network)))
}

fn from_json(value: &Value, folder: &str, nesting: usize) -> Option<Named> {
    let nesting = nesting.checked_sub(1)?;
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    // The nested and the flat spelling (`file.filename`) mean the same.
    if let Some(nested) = value.get("file") {
        let below = from_json(nested, folder, nesting)?;
        return Some(Named {
            format: text("driver").and_then(StorageFormat::from_word),
            ..below
        });
    }
    if let Some(name) = text("file.filename") {
        let below = resolve_plain(name, folder)?;
        return Some(Named {
            format: text("driver").and_then(StorageFormat::from_word),
            ..below
        });
    }
    let driver = text("driver")?;
    let location = match driver {
        "file" => file(absolute(text("filename")?, folder)),
        "host_device" | "host_cdrom" => Location::Block {
            path: Some(text("filename")?.to_owned()),
        },
        "nbd" => {
            let mut network = Network::new(NetworkProtocol::Nbd);
            network.name = text("export").map(str::to_owned);
            network.hosts.push(server(value.get("server")?)?);
            Location::Network(Box::new(network))
        }
        _ => return resolve_plain(text("filename")?, folder),
    };
    Some(Named {
        location,
        format: None,
    })
}

fn resolve_plain(name: &str, folder: &str) -> Option<Named> {
    (!name.starts_with("json:"))
        .then(|| resolve(name, folder))
        .flatten()
}

fn server(value: &Value) -> Option<Host> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    match value.get("type")?.as_str()? {
        "unix" => Some(Host {
            transport: Some(HostTransport::Unix),
            socket: Some(text("path")?),
            ..Host::default()
        }),
        "inet" => Some(Host {
            name: Some(text("host")?),
            port: text("port").and_then(|p| p.parse().ok()),
            ..Host::default()
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_leads_somewhere() {
        let path = |name, folder| match resolve(name, folder).unwrap().location {
            Location::File { path, .. } => path.unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(path("b.img", "/a"), "/a/b.img");
        assert_eq!(path("/b.img", "/a"), "/b.img");
        let json = r#"json:{"driver":"qcow2","file":{"driver":"file","filename":"/b"}}"#;
        assert_eq!(path(json, "/a"), "/b");
        assert_eq!(
            resolve(json, "").unwrap().format,
            Some(StorageFormat::Qcow2)
        );
        let Location::Network(network) = resolve("nbd://h:10809/x", "").unwrap().location else {
            panic!("not a server");
        };
        assert_eq!(network.hosts[0].port, Some(10809));
        assert_eq!(network.name.as_deref(), Some("x"));
    }

    #[test]
    fn nesting_has_a_limit() {
        let mut value = r#"{"driver":"file","filename":"/b"}"#.to_owned();
        for _ in 0..20 {
            value = format!(r#"{{"driver":"raw","file":{value}}}"#);
        }
        assert_eq!(resolve(&format!("json:{value}"), ""), None);
    }
}
