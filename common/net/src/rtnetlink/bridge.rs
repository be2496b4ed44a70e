//! Ports of bridges: isolation and VLANs.

use std::io;

use super::message::Message;
use super::{NESTED, NLM_F_ACK, NLM_F_REQUEST, RTM_DELLINK, Rtnetlink};

const RTM_SETLINK: u16 = 19;
const IFLA_PROTINFO: u16 = 12;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const AF_BRIDGE: u8 = 7;

fn bridge_port(kind: u16, index: u32) -> Message {
    let mut message = Message::new(kind, NLM_F_REQUEST | NLM_F_ACK);
    message.bytes(&[AF_BRIDGE, 0, 0, 0]);
    message.u32(index);
    message.bytes(&[0; 8]);
    message
}

impl Rtnetlink {
    /// Keeps the port of a bridge from the other isolated ones.
    pub(crate) fn isolate(&self, index: u32) -> io::Result<()> {
        let mut message = bridge_port(RTM_SETLINK, index);
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
        let mut message = bridge_port(kind, index);
        let mut list = Message::part();
        for (flags, tag) in vlans {
            let [a, b] = flags.to_ne_bytes();
            let [c, d] = tag.to_ne_bytes();
            list.attribute(IFLA_BRIDGE_VLAN_INFO, &[a, b, c, d]);
        }
        message.attribute(IFLA_AF_SPEC | NESTED, &list.0);
        self.request(message)
    }
}
