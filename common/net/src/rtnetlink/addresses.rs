//! Addresses and routes of links.

use std::io;
use std::net::IpAddr;

use super::message::Message;
use super::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, Rtnetlink};

const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RTN_UNICAST: u8 = 1;

impl Rtnetlink {
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
