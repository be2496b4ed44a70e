//! Addresses, routes and forwarded ports of an interface.
//!
//! Facts: formatdomain "IP configuration", "Userspace connection using passt"; the texts of refusals
//! are the stock library's.

use crate::refusal::xml;
use std::net::IpAddr;
use virt_error::Result;
use virt_xml::{Element, Node, Tag, Words, Writer, YesNo};

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    fn bits(self) -> u32 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

/// `<ip …/>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// The address.
    pub address: IpAddr,
    /// Length of the network's part in bits.
    pub prefix: Option<u32>,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
}

impl Ip {
    /// The family of the address.
    pub fn family(&self) -> Family {
        Family::of(self.address)
    }
}

impl Element for Ip {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let text: String = node
            .attr("address")?
            .ok_or_else(|| xml("Missing required address in <ip>"))?;
        let family: Option<Family> = node.attr("family")?;
        let address = text
            .parse()
            .ok()
            .filter(|a| family.is_none_or(|f| f == Family::of(*a)))
            .ok_or_else(|| xml(format!("Invalid address '{text}' in <ip>")))?;
        let prefix = match node.attr_text("prefix") {
            None => None,
            Some(text) => Some(
                text.parse()
                    .ok()
                    .filter(|bits| *bits <= Family::of(address).bits())
                    .ok_or_else(|| xml(format!("Invalid prefix value '{text}' in <ip>")))?,
            ),
        };
        let peer = match node.attr_text("peer") {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|_| xml(format!("Invalid peer '{text}' in <ip>")))?,
            ),
        };
        Ok(Self {
            address,
            prefix,
            peer,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.text("address", &self.address.to_string());
        tag.attr("family", &self.family());
        tag.maybe("prefix", &self.prefix);
        tag.maybe("peer", &self.peer.map(|p| p.to_string()));
    }

    fn content(&self, _: &mut Writer) {}
}

/// `<route …/>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The family, where it was said.
    pub family: Option<Family>,
    /// The network.
    pub address: IpAddr,
    /// Its mask; instead of `prefix`.
    pub netmask: Option<IpAddr>,
    /// Length of the network's part in bits.
    pub prefix: Option<u32>,
    /// Where packets are sent to.
    pub gateway: IpAddr,
    /// The smaller, the better.
    pub metric: Option<u32>,
}

impl Element for Route {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let family: Option<Family> = node.attr("family")?;
        let address = |node: &mut Node<'_>, name: &str| -> Result<Option<IpAddr>> {
            let Some(text) = node.attr_text(name) else {
                return Ok(None);
            };
            let address = text.parse().ok();
            let address = address.filter(|a| family.is_none_or(|f| f == Family::of(*a)));
            address
                .map(Some)
                .ok_or_else(|| node.bad_attr(name, text, "an address of the route's family"))
        };
        let network = address(node, "address")?;
        let netmask = address(node, "netmask")?;
        let gateway = address(node, "gateway")?;
        let route = Self {
            family,
            address: network
                .ok_or_else(|| xml("Missing required address attribute in route definition"))?,
            netmask,
            prefix: node.attr("prefix")?,
            gateway: gateway
                .ok_or_else(|| xml("Missing required gateway attribute in route definition"))?,
            metric: node.attr("metric")?,
        };
        if route.metric == Some(0) {
            return Err(xml(
                "Invalid metric value of 0 in route definition, must be > 0",
            ));
        }
        route.check()?;
        Ok(route)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.maybe("family", &self.family);
        tag.text("address", &self.address.to_string());
        tag.maybe("netmask", &self.netmask.map(|n| n.to_string()));
        tag.maybe("prefix", &self.prefix);
        tag.text("gateway", &self.gateway.to_string());
        tag.maybe("metric", &self.metric);
    }

    fn content(&self, _: &mut Writer) {}
}

impl Route {
    fn check(&self) -> Result<()> {
        let (network, bits) = (number(self.address), Family::of(self.address).bits());
        let mask = match (self.netmask, self.prefix) {
            (Some(_), Some(_)) => {
                return Err(xml(
                    "Route definition cannot have both a netmask and a prefix",
                ));
            }
            (Some(mask), None) => number(mask),
            (None, Some(prefix)) if prefix > bits => {
                return Err(xml(format!(
                    "Invalid prefix {prefix} specified in route definition, must be 0 - {bits}"
                )));
            }
            (None, Some(prefix)) => u128::MAX.checked_shl(bits - prefix).unwrap_or(0),
            (None, None) => return Ok(()),
        };
        let mask = if bits == 32 { mask & 0xffff_ffff } else { mask };
        if network & !mask & (u128::MAX >> (128 - bits)) != 0 {
            return Err(xml(format!(
                "Address '{}' in route definition is not a network address",
                self.address
            )));
        }
        Ok(())
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// `<portForward …>`: ports of the host that lead to the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortForward {
    /// Of which protocol.
    pub proto: ForwardProtocol,
    /// Only those of that address of the host.
    pub address: Option<IpAddr>,
    /// Only those of that interface of the host.
    pub dev: Option<String>,
    /// Which; all when there are none.
    pub ranges: Vec<ForwardRange>,
}

/// Protocols whose ports can be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum ForwardProtocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// `<range …/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct ForwardRange {
    /// First port of the host.
    #[xml(attr)]
    pub start: u16,
    /// Last port of the host; absent: the first one.
    #[xml(attr)]
    pub end: Option<u16>,
    /// First port of the guest; absent: the same as the host's.
    #[xml(attr)]
    pub to: Option<u16>,
    /// Whether these are left out.
    #[xml(attr)]
    pub exclude: Option<YesNo>,
}

impl Element for PortForward {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let address = match node.attr_text("address") {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|_| xml(format!("Invalid address '{text}' in <portForward>")))?,
            ),
        };
        let forward = Self {
            proto: node.required("proto")?,
            address,
            dev: node.attr("dev")?,
            ranges: node.children("range")?,
        };
        for range in &forward.ranges {
            if range.start == 0 || range.end.is_some_and(|end| end < range.start) {
                return Err(xml(format!(
                    "Invalid port range '{}-{}' in <portForward>",
                    range.start,
                    range.end.unwrap_or(range.start)
                )));
            }
        }
        Ok(forward)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("proto", &self.proto);
        tag.maybe("address", &self.address.map(|a| a.to_string()));
        tag.maybe("dev", &self.dev);
    }

    fn content(&self, out: &mut Writer) {
        for range in &self.ranges {
            out.element("range", range);
        }
    }
}
