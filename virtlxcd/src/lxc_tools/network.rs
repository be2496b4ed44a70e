//! Network interfaces: `lxc.net.N.KEY`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use virt_error::Result;
use virt_xml::{Tag, Writer};

use super::settings::Settings;
use super::{unsupported, wrong};

/// The networks of a configuration.
#[derive(Debug)]
pub(super) struct Networks {
    all: Vec<Network>,
    /// Whether it says that there is one, even if it is none of its own.
    any: bool,
}

#[derive(Debug)]
struct Network {
    link: Link,
    mac: Option<String>,
    /// Its name inside.
    name: Option<String>,
    up: bool,
    addresses: Vec<(IpAddr, Option<u8>)>,
    gateways: Vec<IpAddr>,
}

#[derive(Debug)]
enum Link {
    Bridge(String),
    /// A pair of links that ends at the host.
    Pair,
    Macvlan {
        on: String,
        mode: &'static str,
    },
    /// A link of the host's, which goes inside.
    Whole(String),
}

impl Networks {
    /// Reads them.
    ///
    /// # Errors
    /// INVALID_ARG, CONFIG_UNSUPPORTED naming the key.
    pub fn of(settings: &Settings) -> Result<Self> {
        let mut by_number: BTreeMap<u32, Vec<(&str, &str)>> = BTreeMap::new();
        for (key, value) in settings.below("lxc.net.") {
            let Some((number, key)) = key.split_once('.') else {
                continue;
            };
            if let Ok(number) = number.parse() {
                by_number.entry(number).or_default().push((key, value));
            }
        }
        let mut all = Vec::new();
        let mut any = false;
        for (number, keys) in by_number {
            let kind = keys.iter().rfind(|(key, _)| *key == "type");
            if kind.is_some_and(|(_, kind)| *kind == "none") {
                any = true;
            }
            if let Some((_, kind)) = kind {
                all.extend(Network::of(number, kind, &keys)?);
            }
        }
        any |= !all.is_empty();
        Ok(Self { all, any })
    }

    /// Whether the container has a network of its own though it has no interface.
    pub fn are_private(&self) -> bool {
        !self.any
    }

    /// Writes the elements.
    pub fn write(&self, out: &mut Writer) {
        self.all.iter().for_each(|network| network.write(out));
    }
}

impl Network {
    fn of(number: u32, kind: &str, keys: &[(&str, &str)]) -> Result<Option<Self>> {
        let last = |name: &str| {
            let found = keys.iter().rfind(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let full = |key: &str| format!("lxc.net.{number}.{key}");
        let link = || {
            let lacks = || wrong(&full("type"), kind, &format!("{} beside it", full("link")));
            last("link").ok_or_else(lacks)
        };
        let link = match kind {
            "none" | "empty" => return Ok(None),
            "veth" => last("link").map_or(Link::Pair, Link::Bridge),
            "macvlan" => {
                let mode = last("macvlan.mode").unwrap_or_else(|| "private".to_owned());
                let mode = match mode.as_str() {
                    "private" => "private",
                    "vepa" => "vepa",
                    "bridge" => "bridge",
                    "passthru" => "passthrough",
                    other => {
                        let allowed = "private, vepa, bridge or passthru";
                        return Err(wrong(&full("macvlan.mode"), other, allowed));
                    }
                };
                Link::Macvlan { on: link()?, mode }
            }
            "phys" => Link::Whole(link()?),
            "vlan" => {
                let lacks = || {
                    wrong(
                        &full("type"),
                        kind,
                        &format!("{} beside it", full("vlan.id")),
                    )
                };
                let id = last("vlan.id").ok_or_else(lacks)?;
                Link::Whole(format!("{}.{id}", link()?))
            }
            other => {
                let why = "it is veth, macvlan, phys, vlan, empty or none here";
                return Err(unsupported(&full("type"), other, why));
            }
        };
        let mut addresses = Vec::new();
        let mut gateways = Vec::new();
        for (key, value) in keys {
            match *key {
                "ipv4.address" | "ipv6.address" => {
                    // A second word is the broadcast address.
                    let first = value.split_whitespace().next().unwrap_or_default();
                    let read = address(first);
                    let bad = || wrong(&full(key), value, "an address such as 192.0.2.1/24");
                    addresses.push(read.ok_or_else(bad)?);
                }
                // The bridge's own address, or a route without one: nothing that is known here.
                "ipv4.gateway" | "ipv6.gateway" if matches!(*value, "auto" | "dev") => {}
                "ipv4.gateway" | "ipv6.gateway" => {
                    let bad = || wrong(&full(key), value, "an address");
                    gateways.push(value.parse().map_err(|_| bad())?);
                }
                _ => {}
            }
        }
        Ok(Some(Self {
            link,
            mac: last("hwaddr"),
            name: last("name"),
            up: last("flags").as_deref() == Some("up"),
            addresses,
            gateways,
        }))
    }

    fn write(&self, out: &mut Writer) {
        if let Link::Whole(link) = &self.link {
            let attrs = |tag: &mut Tag<'_>| {
                tag.text("mode", "capabilities");
                tag.text("type", "net");
            };
            return out.open("hostdev", attrs, |out| {
                let plain = |_: &mut Tag<'_>| {};
                out.open("source", plain, |out| out.text_element("interface", link));
                self.write_addresses(out);
            });
        }
        let kind = match &self.link {
            Link::Bridge(_) => "bridge",
            Link::Macvlan { .. } => "direct",
            Link::Pair | Link::Whole(_) => "ethernet",
        };
        let attrs = |tag: &mut Tag<'_>| tag.text("type", kind);
        out.open("interface", attrs, |out| {
            let one = |out: &mut Writer, name: &str, key: &str, value: &Option<String>| {
                if let Some(value) = value {
                    out.open(name, |tag| tag.text(key, value), |_| {});
                }
            };
            one(out, "mac", "address", &self.mac);
            match &self.link {
                Link::Bridge(bridge) => {
                    out.open("source", |tag| tag.text("bridge", bridge), |_| {});
                }
                Link::Macvlan { on, mode } => {
                    let attrs = |tag: &mut Tag<'_>| {
                        tag.text("dev", on);
                        tag.text("mode", mode);
                    };
                    out.open("source", attrs, |_| {});
                }
                Link::Pair | Link::Whole(_) => {}
            }
            self.write_addresses(out);
            one(out, "guest", "dev", &self.name);
            let state = if self.up { "up" } else { "down" };
            out.open("link", |tag| tag.text("state", state), |_| {});
        });
    }

    fn write_addresses(&self, out: &mut Writer) {
        let family = |address: &IpAddr| match address {
            IpAddr::V4(_) => "ipv4",
            IpAddr::V6(_) => "ipv6",
        };
        for (address, prefix) in &self.addresses {
            let attrs = |tag: &mut Tag<'_>| {
                tag.text("address", &address.to_string());
                tag.text("family", family(address));
                if let Some(prefix) = prefix {
                    tag.text("prefix", &prefix.to_string());
                }
            };
            out.open("ip", attrs, |_| {});
        }
        for gateway in &self.gateways {
            let any = match gateway {
                IpAddr::V4(_) => "0.0.0.0",
                IpAddr::V6(_) => "::",
            };
            let attrs = |tag: &mut Tag<'_>| {
                tag.text("family", family(gateway));
                tag.text("address", any);
                tag.text("gateway", &gateway.to_string());
            };
            out.open("route", attrs, |_| {});
        }
    }
}

/// An address with the length of its network's part.
fn address(text: &str) -> Option<(IpAddr, Option<u8>)> {
    let Some((address, prefix)) = text.split_once('/') else {
        return Some((text.parse().ok()?, None));
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most)?;
    Some((address, Some(prefix)))
}
