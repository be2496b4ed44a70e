//! The few messages of rtnetlink(7) that a guest's interfaces need, built from safe bytes.

mod addresses;
mod bridge;
mod links;
mod message;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::sched::{CloneFlags, setns};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

pub(crate) use links::{Link, Macvlan, VethEnd};
use message::{Message, acknowledged};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWQDISC: u16 = 36;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const NESTED: u16 = 0x8000;
const TCA_KIND: u16 = 1;
const TC_H_ROOT: u32 = 0xffff_ffff;
const IFF_UP: u32 = 1;

/// No answer is longer, in bytes: a link's is some two thousand.
const MOST: usize = 32 << 10;

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

    /// One in that network namespace.
    pub(crate) fn within(namespace: BorrowedFd<'_>) -> io::Result<Self> {
        // A thread of its own changes over; the socket stays where it was made.
        let there = || {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            Self::open()
        };
        std::thread::scope(|scope| {
            let made = std::thread::Builder::new().spawn_scoped(scope, there)?;
            let panicked = |_| io::Error::other("a thread of the daemon's own failed");
            made.join().map_err(panicked)?
        })
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

    fn request(&self, message: Message) -> io::Result<()> {
        acknowledged(&self.ask(message)?)
    }

    fn ask(&self, message: Message) -> io::Result<Vec<u8>> {
        send(&self.socket, &message.finish(), SendFlags::empty())?;
        let mut answer = vec![0; MOST];
        let (count, _) = recv(&self.socket, &mut answer[..], RecvFlags::empty())?;
        answer.truncate(count);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
