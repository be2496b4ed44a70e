//! The few messages of rtnetlink(7) that a guest's interfaces need, built from safe bytes.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWQDISC: u16 = 36;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const NESTED: u16 = 0x8000;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const AF_BRIDGE: u8 = 7;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RTN_UNICAST: u8 = 1;
const TCA_KIND: u16 = 1;
const TC_H_ROOT: u32 = 0xffff_ffff;
const IFF_UP: u32 = 1;

/// What to change at a link; `None` leaves it as it is.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct LinkChange {
    /// Hardware address of the host's side.
    pub(crate) address: Option<[u8; 6]>,
    /// Largest packet in bytes.
    pub(crate) mtu: Option<u32>,
    /// Index of the bridge it becomes a port of.
    pub(crate) master: Option<u32>,
    /// Whether it is up.
    pub(crate) up: Option<bool>,
}

/// A conversation with the kernel.
#[derive(Debug)]
pub(crate) struct Rtnetlink {
    socket: OwnedFd,
}

impl Rtnetlink {
    pub(crate) fn open() -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // Protocol 0 is rtnetlink.
            None,
        )?;
        Ok(Self { socket })
    }

    /// Changes the link with this index.
    pub(crate) fn change_link(&self, index: u32, change: LinkChange) -> io::Result<()> {
        let mut message = Message::new(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK);
        message.bytes(&[0; 4]); // any family, any type
        message.u32(index);
        let flags = change.up.map_or(0, |up| if up { IFF_UP } else { 0 });
        message.u32(flags);
        message.u32(if change.up.is_some() { IFF_UP } else { 0 });
        if let Some(address) = change.address {
            message.attribute(IFLA_ADDRESS, &address);
        }
        if let Some(mtu) = change.mtu {
            message.attribute(IFLA_MTU, &mtu.to_ne_bytes());
        }
        if let Some(master) = change.master {
            message.attribute(IFLA_MASTER, &master.to_ne_bytes());
        }
        self.request(message)
    }

    /// Replaces the link's root queue by one without a queue.
    pub(crate) fn without_queue(&self, index: u32) -> io::Result<()> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
        let mut message = Message::new(RTM_NEWQDISC, flags);
        message.bytes(&[0; 4]); // any family, padding
        message.u32(index);
        message.u32(0); // handle
        message.u32(TC_H_ROOT);
        message.u32(0); // info
        message.attribute(TCA_KIND, b"noqueue\0");
        self.request(message)
    }

    /// Makes a macvtap of that name on the link with that index. `mode` is the kernel's number.
    pub(crate) fn add_macvtap(
        &self,
        name: &str,
        lower: u32,
        mode: u32,
        address: [u8; 6],
    ) -> io::Result<()> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        let mut message = Message::new(RTM_NEWLINK, flags);
        message.bytes(&[0; 16]); // any family, type, index and flags
        message.attribute(IFLA_LINK, &lower.to_ne_bytes());
        message.attribute(IFLA_ADDRESS, &address);
        message.attribute(IFLA_IFNAME, &ended(name));
        let mut data = Message::part();
        data.attribute(IFLA_MACVLAN_MODE, &mode.to_ne_bytes());
        let mut info = Message::part();
        info.attribute(IFLA_INFO_KIND, b"macvtap");
        info.attribute(IFLA_INFO_DATA, &data.0);
        message.attribute(IFLA_LINKINFO, &info.0);
        self.request(message)
    }

    /// Takes the link with that index away.
    pub(crate) fn delete_link(&self, index: u32) -> io::Result<()> {
        let mut message = Message::new(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK);
        message.bytes(&[0; 4]);
        message.u32(index);
        message.bytes(&[0; 8]);
        self.request(message)
    }

    fn bridge_port(kind: u16, index: u32) -> Message {
        let mut message = Message::new(kind, NLM_F_REQUEST | NLM_F_ACK);
        message.bytes(&[AF_BRIDGE, 0, 0, 0]);
        message.u32(index);
        message.bytes(&[0; 8]);
        message
    }

    /// Keeps the port of a bridge from the other isolated ones.
    pub(crate) fn isolate(&self, index: u32) -> io::Result<()> {
        let mut message = Self::bridge_port(RTM_SETLINK, index);
        let mut port = Message::part();
        port.attribute(IFLA_BRPORT_ISOLATED, &[1]);
        message.attribute(IFLA_PROTINFO | NESTED, &port.0);
        self.request(message)
    }

    /// Makes the port of a bridge a member of VLANs: the kernel's flags and the tag of each.
    pub(crate) fn add_vlans(&self, index: u32, vlans: &[(u16, u16)]) -> io::Result<()> {
        self.change_vlans(RTM_SETLINK, index, vlans)
    }

    /// Takes the port of a bridge out of VLANs.
    pub(crate) fn remove_vlans(&self, index: u32, vlans: &[(u16, u16)]) -> io::Result<()> {
        self.change_vlans(RTM_DELLINK, index, vlans)
    }

    fn change_vlans(&self, kind: u16, index: u32, vlans: &[(u16, u16)]) -> io::Result<()> {
        let mut message = Self::bridge_port(kind, index);
        let mut list = Message::part();
        for (flags, tag) in vlans {
            let [a, b] = flags.to_ne_bytes();
            let [c, d] = tag.to_ne_bytes();
            list.attribute(IFLA_BRIDGE_VLAN_INFO, &[a, b, c, d]);
        }
        message.attribute(IFLA_AF_SPEC | NESTED, &list.0);
        self.request(message)
    }

    /// Gives the link an address; `peer` is the other end of a point-to-point link.
    pub(crate) fn add_address(
        &self,
        index: u32,
        address: IpAddr,
        prefix: u8,
        peer: Option<IpAddr>,
    ) -> io::Result<()> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        let mut message = Message::new(RTM_NEWADDR, flags);
        message.bytes(&[family(address), prefix, 0, 0]);
        message.u32(index);
        message.attribute(IFA_LOCAL, &octets(address));
        message.attribute(IFA_ADDRESS, &octets(peer.unwrap_or(address)));
        self.request(message)
    }

    /// Adds a route over the link.
    pub(crate) fn add_route(
        &self,
        index: u32,
        network: IpAddr,
        prefix: u8,
        gateway: IpAddr,
        metric: Option<u32>,
    ) -> io::Result<()> {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        let mut message = Message::new(RTM_NEWROUTE, flags);
        message.bytes(&[
            family(network),
            prefix,
            0,
            0,
            RT_TABLE_MAIN,
            RTPROT_STATIC,
            RT_SCOPE_UNIVERSE,
            RTN_UNICAST,
        ]);
        message.u32(0); // flags
        if prefix > 0 {
            message.attribute(RTA_DST, &octets(network));
        }
        message.attribute(RTA_GATEWAY, &octets(gateway));
        message.attribute(RTA_OIF, &index.to_ne_bytes());
        if let Some(metric) = metric {
            message.attribute(RTA_PRIORITY, &metric.to_ne_bytes());
        }
        self.request(message)
    }

    fn request(&self, message: Message) -> io::Result<()> {
        send(&self.socket, &message.finish(), SendFlags::empty())?;
        let mut answer = [0u8; 4096];
        let (count, _) = recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
        acknowledged(&answer[..count])
    }
}

/// Reads the kernel's acknowledgement.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let malformed = || io::Error::other("malformed answer from rtnetlink");
    let kind = answer.get(4..6).ok_or_else(malformed)?;
    if kind != NLMSG_ERROR.to_ne_bytes() {
        return Err(malformed());
    }
    let error = answer.get(16..20).ok_or_else(malformed)?;
    let error = error.try_into().map(i32::from_ne_bytes);
    match error.map_err(|_| malformed())? {
        0 => Ok(()),
        negative => Err(io::Error::from_raw_os_error(negative.wrapping_neg())),
    }
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

/// As the kernel ends a text.
fn ended(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

struct Message(Vec<u8>);

impl Message {
    /// Attributes that go into another one.
    fn part() -> Self {
        Self(Vec::new())
    }

    fn new(kind: u16, flags: u16) -> Self {
        let mut message = Self(Vec::with_capacity(96));
        message.u32(0); // length, known at the end
        message.bytes(&kind.to_ne_bytes());
        message.bytes(&flags.to_ne_bytes());
        message.u32(1); // sequence
        message.u32(0); // port of the kernel
        message
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_ne_bytes());
    }

    /// Values here are a few bytes long, so their length fits.
    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let length = (value.len() as u16).saturating_add(4);
        self.bytes(&length.to_ne_bytes());
        self.bytes(&kind.to_ne_bytes());
        self.bytes(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() as u32).to_ne_bytes();
        self.0[..4].copy_from_slice(&length);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_counted() {
        let mut message = Message::new(RTM_NEWLINK, NLM_F_REQUEST);
        message.attribute(IFLA_ADDRESS, &[1, 2, 3, 4, 5, 6]);
        let bytes = message.finish();
        assert_eq!(bytes.len(), 16 + 12);
        assert_eq!(bytes[..4], 28u32.to_ne_bytes());
        assert_eq!(bytes[16..18], 10u16.to_ne_bytes());
        assert_eq!(bytes[26..28], [0, 0]);
    }

    #[test]
    fn a_macvtap_names_its_kind_and_mode_inside() {
        let mut data = Message::part();
        data.attribute(IFLA_MACVLAN_MODE, &4u32.to_ne_bytes());
        let mut info = Message::part();
        info.attribute(IFLA_INFO_KIND, b"macvtap");
        info.attribute(IFLA_INFO_DATA, &data.0);
        // 4 + 7 bytes padded to 12, then 4 + 8.
        assert_eq!(info.0.len(), 12 + 12);
        assert_eq!(info.0[0..2], 11u16.to_ne_bytes());
        assert_eq!(info.0[4..11], *b"macvtap");
        assert_eq!(info.0[12..14], 12u16.to_ne_bytes());
        assert_eq!(info.0[20..24], 4u32.to_ne_bytes());
    }

    #[test]
    fn the_kernels_refusal_is_its_errno() {
        let rtnetlink = Rtnetlink::open().unwrap();
        let change = LinkChange {
            up: Some(true),
            ..LinkChange::default()
        };
        let error = rtnetlink.change_link(0x7fff_fff0, change).unwrap_err();
        // ENODEV as root, EPERM otherwise.
        assert!(
            matches!(error.raw_os_error(), Some(19 | 1)),
            "unexpected {error}"
        );
    }

    #[test]
    fn a_short_answer_is_malformed() {
        assert!(acknowledged(&[0; 18]).is_err());
        assert!(acknowledged(&[]).is_err());
    }
}
