//! Links: made, found, moved between network namespaces, taken away.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::message::{Message, told_link};
use super::{
    IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST,
    RTM_DELLINK, RTM_NEWLINK, Rtnetlink,
};

const RTM_GETLINK: u16 = 18;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const VETH_INFO_PEER: u16 = 1;

/// A link as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) address: Vec<u8>,
}

/// One end of a pair that is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VethEnd<'a> {
    pub(crate) name: &'a str,
    pub(crate) address: [u8; 6],
    /// The namespace it is in; the conversation's own when `None`.
    pub(crate) namespace: Option<BorrowedFd<'a>>,
}

/// A link that shares another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Macvlan<'a> {
    /// `macvtap` or `macvlan`.
    pub(crate) kind: &'static str,
    pub(crate) name: &'a str,
    /// The other one's index.
    pub(crate) lower: u32,
    /// The kernel's number.
    pub(crate) mode: u32,
    pub(crate) address: [u8; 6],
    /// The namespace it is in; the conversation's own when `None`.
    pub(crate) namespace: Option<BorrowedFd<'a>>,
}

fn new_link() -> Message {
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    let mut message = Message::new(RTM_NEWLINK, flags);
    message.bytes(&[0; 16]); // any family, type, index and flags
    message
}

fn namespace(message: &mut Message, namespace: Option<BorrowedFd<'_>>) {
    if let Some(fd) = namespace {
        message.attribute(IFLA_NET_NS_FD, &fd.as_raw_fd().to_ne_bytes());
    }
}

fn end(message: &mut Message, end: &VethEnd<'_>, mtu: Option<u32>) {
    message.text(IFLA_IFNAME, end.name);
    message.attribute(IFLA_ADDRESS, &end.address);
    if let Some(mtu) = mtu {
        message.attribute(IFLA_MTU, &mtu.to_ne_bytes());
    }
    namespace(message, end.namespace);
}

impl Rtnetlink {
    /// Makes a pair of links of which each gets what the other one sends.
    pub(crate) fn add_veth(
        &self,
        near: &VethEnd<'_>,
        far: &VethEnd<'_>,
        mtu: Option<u32>,
    ) -> io::Result<()> {
        let mut message = new_link();
        end(&mut message, near, mtu);
        let mut peer = Message::part();
        peer.bytes(&[0; 16]); // as of any link
        end(&mut peer, far, mtu);
        let mut data = Message::part();
        data.attribute(VETH_INFO_PEER, &peer.0);
        let mut info = Message::part();
        info.attribute(IFLA_INFO_KIND, b"veth");
        info.attribute(IFLA_INFO_DATA, &data.0);
        message.attribute(IFLA_LINKINFO, &info.0);
        self.request(message)
    }

    /// Makes a link on another one.
    pub(crate) fn add_macvlan(&self, wanted: &Macvlan<'_>) -> io::Result<()> {
        let mut message = new_link();
        message.attribute(IFLA_LINK, &wanted.lower.to_ne_bytes());
        message.attribute(IFLA_ADDRESS, &wanted.address);
        message.text(IFLA_IFNAME, wanted.name);
        namespace(&mut message, wanted.namespace);
        let mut data = Message::part();
        data.attribute(IFLA_MACVLAN_MODE, &wanted.mode.to_ne_bytes());
        let mut info = Message::part();
        info.attribute(IFLA_INFO_KIND, wanted.kind.as_bytes());
        info.attribute(IFLA_INFO_DATA, &data.0);
        message.attribute(IFLA_LINKINFO, &info.0);
        self.request(message)
    }

    /// The link of that name; none where there is none.
    pub(crate) fn find(&self, name: &str) -> io::Result<Option<Link>> {
        self.get(0, Some(name))
    }

    /// The link with that index; none where there is none.
    pub(crate) fn at(&self, index: u32) -> io::Result<Option<Link>> {
        self.get(index, None)
    }

    fn get(&self, index: u32, name: Option<&str>) -> io::Result<Option<Link>> {
        let mut message = Message::new(RTM_GETLINK, NLM_F_REQUEST);
        message.bytes(&[0; 4]);
        message.u32(index);
        message.bytes(&[0; 8]);
        if let Some(name) = name {
            message.text(IFLA_IFNAME, name);
        }
        let answer = self.ask(message)?;
        let (index, attributes) = match told_link(&answer, RTM_NEWLINK) {
            Err(error) if error.raw_os_error() == Some(nix::libc::ENODEV) => return Ok(None),
            other => other?,
        };
        let value = |kind: u16| {
            let found = attributes.iter().find(|(own, _)| *own == kind);
            found.map_or(&[][..], |(_, value)| *value)
        };
        let name = value(IFLA_IFNAME).split(|byte| *byte == 0).next();
        Ok(Some(Link {
            index,
            name: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
            address: value(IFLA_ADDRESS).to_vec(),
        }))
    }

    /// Moves the link with that index into a namespace, where it has that name and is down.
    pub(crate) fn move_link(&self, index: u32, into: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let mut message = Message::new(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK);
        message.bytes(&[0; 4]);
        message.u32(index);
        message.bytes(&[0; 8]);
        message.text(IFLA_IFNAME, name);
        namespace(&mut message, Some(into));
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_found_by_its_name_and_its_index() {
        let kernel = Rtnetlink::open().unwrap();
        let link = kernel.find("lo").unwrap().unwrap();
        assert_eq!((link.name.as_str(), link.address.len()), ("lo", 6));
        assert_eq!(kernel.at(link.index).unwrap(), Some(link));
        assert_eq!(kernel.find("vq-no-such").unwrap(), None);
    }
}
