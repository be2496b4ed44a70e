//! Tap devices: the host's end of a guest's interface on a bridge or of type `ethernet`.
//!
//! A tap lives as long as one of its descriptors: QEMU holds them, and when it is gone the
//! kernel removes the tap, so nothing is left behind however a guest ends.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::net::if_::if_nametoindex;
use virt_error::{Error, ErrorDomain, Result};

use super::rtnetlink::{LinkChange, Rtnetlink};

/// Longest name of an interface in bytes (`IFNAMSIZ` without the end).
pub const MAX_NAME: usize = 15;

/// The node that makes taps.
pub const NODE: &str = "/dev/net/tun";

/// What a tap shall be.
#[derive(Debug, Clone)]
pub struct TapRequest {
    /// The node that makes it.
    pub node: String,
    /// Its name; a `%d` in it stands for the first free number. `vnet%d` is libvirt's.
    pub name: String,
    /// Queues, at least 1.
    pub queues: u32,
    /// Whether packets carry a virtio header: yes for virtio NICs.
    pub virtio_header: bool,
    /// The guest's hardware address. The host's side gets the same with `fe` in front, so that
    /// a bridge never takes it for its own.
    pub guest_mac: [u8; 6],
    /// The bridge it becomes a port of.
    pub bridge: Option<String>,
    /// Largest packet in bytes; the bridge's own when `None`.
    pub mtu: Option<u32>,
    /// Whether the link is up from the start.
    pub up: bool,
}

/// A tap as it came to be.
#[derive(Debug)]
pub struct Tap {
    /// Its name.
    pub name: String,
    /// One descriptor per queue.
    pub queues: Vec<OwnedFd>,
}

/// Makes a tap and connects it.
///
/// # Errors
/// SYSTEM_ERROR naming the bridge ("Cannot get interface MTU on 'br0': No such device", as the
/// stock daemon), the tap or `/dev/net/tun`. Nothing is left behind then.
pub fn create(request: &TapRequest) -> Result<Tap> {
    let mut change = LinkChange {
        address: Some(host_address(request.guest_mac)),
        mtu: request.mtu,
        master: None,
        up: Some(request.up),
    };
    if let Some(bridge) = &request.bridge {
        let bridge = Bridge::find(bridge)?;
        change.master = Some(bridge.index);
        change.mtu.get_or_insert(bridge.mtu);
    }
    let tap = open(request).map_err(|e| {
        let what = format!("Unable to create tap device {}", request.name);
        system(what, e)
    })?;
    connect(&tap.name, change).map_err(|e| {
        let what = match &request.bridge {
            Some(bridge) => format!("Unable to add bridge {bridge} port {}", tap.name),
            None => format!("Unable to set up tap device {}", tap.name),
        };
        system(what, e)
    })?;
    Ok(tap)
}

fn system(what: String, cause: io::Error) -> Error {
    Error::system(ErrorDomain::None, what, &cause)
}

fn connect(name: &str, change: LinkChange) -> io::Result<()> {
    let index = if_nametoindex(name)?;
    let rtnetlink = Rtnetlink::open()?;
    rtnetlink.change_link(index, change)?;
    // Only faster; not every kernel lets it be changed.
    if let Err(error) = rtnetlink.without_queue(index) {
        tracing::debug!(tap = name, %error, "the tap keeps its queue");
    }
    Ok(())
}

/// What a port has of its bridge.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bridge {
    pub(crate) index: u32,
    /// Largest packet in bytes.
    pub(crate) mtu: u32,
}

impl Bridge {
    /// Looks for it.
    ///
    /// # Errors
    /// SYSTEM_ERROR "Cannot get interface MTU on 'br0': No such device", as the stock daemon.
    pub(crate) fn find(name: &str) -> Result<Self> {
        let what = || format!("Cannot get interface MTU on '{name}'");
        Ok(Self {
            index: if_nametoindex(name).map_err(|e| system(what(), e.into()))?,
            mtu: ifreq::mtu(name).map_err(|e| system(what(), e))?,
        })
    }
}

/// The host's side of a guest's address: a bridge never takes it for its own.
pub(crate) fn host_address(guest: [u8; 6]) -> [u8; 6] {
    let mut host = guest;
    host[0] = 0xfe;
    host
}

/// Opens a tap, which is made if it is not there, and changes nothing at it.
///
/// # Errors
/// The kernel's.
pub(crate) fn open(request: &TapRequest) -> io::Result<Tap> {
    let mut name = request.name.clone();
    let mut queues = Vec::new();
    for _ in 0..request.queues.max(1) {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&request.node)?;
        name = ifreq::queue(
            file.as_fd(),
            &name,
            request.virtio_header,
            request.queues > 1,
        )?;
        queues.push(file.into());
    }
    Ok(Tap { name, queues })
}

/// Makes an open node of a macvtap one of its queues.
pub(crate) fn attach(
    node: std::os::fd::BorrowedFd<'_>,
    name: &str,
    virtio_header: bool,
    several: bool,
) -> io::Result<()> {
    ifreq::queue(node, name, virtio_header, several).map(drop)
}

/// Sets how many packets are received before the guest is told.
pub(crate) fn coalesce(link: &str, most: u32) -> io::Result<()> {
    ifreq::coalesce(link, most)
}

/// The calls that take a `struct ifreq`.
mod ifreq {
    #![allow(
        unsafe_code,
        reason = "the kernel makes taps by ioctl, which has no safe interface"
    )]

    use std::io;
    use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

    use nix::libc;

    const IFF_TAP: i16 = 0x0002;
    const IFF_NO_PI: i16 = 0x1000;
    const IFF_VNET_HDR: i16 = 0x4000;
    const IFF_MULTI_QUEUE: i16 = 0x0100;
    /// `_IOW('T', 202, int)` of linux/if_tun.h.
    const TUNSETIFF: u32 = 0x4004_54ca;

    /// Makes the open `/dev/net/tun` a queue of the tap and gives the tap's name.
    pub(super) fn queue(
        tun: BorrowedFd<'_>,
        name: &str,
        virtio_header: bool,
        several: bool,
    ) -> io::Result<String> {
        let mut request = named(name)?;
        let mut flags = IFF_TAP | IFF_NO_PI;
        if virtio_header {
            flags |= IFF_VNET_HDR;
        }
        if several {
            flags |= IFF_MULTI_QUEUE;
        }
        request.ifr_ifru.ifru_flags = flags;
        // SAFETY: TUNSETIFF reads and writes one ifreq, which lives over the call.
        let result =
            unsafe { libc::ioctl(tun.as_raw_fd(), TUNSETIFF as libc::Ioctl, &raw mut request) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        let bytes = request.ifr_name.iter().map(|c| c.cast_unsigned());
        let name: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
        String::from_utf8(name).map_err(io::Error::other)
    }

    /// An interface's largest packet. `/sys` would not do: it may be another network namespace's.
    pub(super) fn mtu(interface: &str) -> io::Result<u32> {
        let mut request = named(interface)?;
        let socket = any_socket()?;
        // SAFETY: SIOCGIFMTU reads and writes one ifreq, which lives over the call.
        let result = unsafe {
            libc::ioctl(
                socket.as_raw_fd(),
                libc::SIOCGIFMTU as libc::Ioctl,
                &raw mut request,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: SIOCGIFMTU has filled this arm of the union.
        let mtu = unsafe { request.ifr_ifru.ifru_mtu };
        u32::try_from(mtu).map_err(io::Error::other)
    }

    /// `struct ethtool_coalesce` of linux/ethtool.h: the command, 22 numbers.
    #[repr(C)]
    struct Coalesce([u32; 23]);

    const ETHTOOL_GCOALESCE: u32 = 0x0e;
    const ETHTOOL_SCOALESCE: u32 = 0x0f;
    /// Where the most packets stand, behind the command and the microseconds.
    const RX_MAX_FRAMES: usize = 2;

    /// Sets `rx_max_coalesced_frames`, the rest stays.
    pub(super) fn coalesce(interface: &str, most: u32) -> io::Result<()> {
        let mut settings = Coalesce([0; 23]);
        settings.0[0] = ETHTOOL_GCOALESCE;
        ethtool(interface, &mut settings)?;
        settings.0[0] = ETHTOOL_SCOALESCE;
        settings.0[RX_MAX_FRAMES] = most;
        ethtool(interface, &mut settings)
    }

    fn ethtool(interface: &str, settings: &mut Coalesce) -> io::Result<()> {
        let mut request = named(interface)?;
        request.ifr_ifru.ifru_data = std::ptr::from_mut(settings).cast();
        let socket = any_socket()?;
        // SAFETY: SIOCETHTOOL reads one ifreq and reads and writes the structure that it points to,
        // as long as these two commands say it is; both live over the call.
        let result = unsafe {
            libc::ioctl(
                socket.as_raw_fd(),
                libc::SIOCETHTOOL as libc::Ioctl,
                &raw mut request,
            )
        };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Requests about interfaces go through a socket, whichever it is (netdevice(7)).
    fn any_socket() -> io::Result<OwnedFd> {
        Ok(rustix::net::socket_with(
            rustix::net::AddressFamily::INET,
            rustix::net::SocketType::DGRAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )?)
    }

    fn named(name: &str) -> io::Result<libc::ifreq> {
        if name.is_empty() || name.len() > super::MAX_NAME || name.contains(['/', '\0']) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: all-zero is a valid ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed() as libc::c_char;
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_error::ErrorCode;

    fn request(bridge: Option<&str>) -> TapRequest {
        TapRequest {
            node: NODE.to_owned(),
            name: "vqtest%d".into(),
            queues: 1,
            virtio_header: true,
            guest_mac: [0x52, 0x54, 0, 1, 2, 3],
            bridge: bridge.map(str::to_owned),
            mtu: None,
            up: true,
        }
    }

    fn may_make_taps() -> bool {
        let can = rustix::process::geteuid().is_root() && open(&request(None)).is_ok();
        if !can {
            eprintln!("SKIPPED: taps can't be made here (needs root and /dev/net/tun)");
        }
        can
    }

    #[test]
    fn a_missing_bridge_is_named_before_anything_is_made() {
        let error = create(&request(Some("vq-no-such"))).unwrap_err();
        assert_eq!(
            error.message(),
            "Cannot get interface MTU on 'vq-no-such': No such device"
        );
        assert!(error.is(ErrorCode::SystemError));
    }

    #[test]
    fn a_tap_is_made_and_goes_with_its_descriptors() {
        if !may_make_taps() {
            return;
        }
        // A name that no other test takes as soon as it is free.
        let tap = create(&TapRequest {
            name: "vqgone%d".into(),
            ..request(None)
        })
        .unwrap();
        assert!(tap.name.starts_with("vqgone"), "{}", tap.name);
        let address =
            std::fs::read_to_string(format!("/sys/class/net/{}/address", tap.name)).unwrap();
        assert_eq!(address.trim(), "fe:54:00:01:02:03");
        let name = tap.name.clone();
        drop(tap);
        // A program that another test is starting may hold copies until it is executed.
        let gone = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            if_nametoindex(name.as_str()).is_err()
        });
        assert!(gone, "{name} stays");
    }

    #[test]
    fn several_queues_belong_to_one_tap() {
        if !may_make_taps() {
            return;
        }
        let tap = create(&TapRequest {
            queues: 3,
            ..request(None)
        })
        .unwrap();
        assert_eq!(tap.queues.len(), 3);
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        let long = TapRequest {
            name: "sixteen-letters!".into(),
            ..request(None)
        };
        assert!(create(&long).is_err());
    }
}
