//! TCP ports that the daemon chooses for displays.
//!
//! [`Ports`] remembers what running guests have; whether another program has a port is asked by
//! binding it ([`is_free`]).

mod set;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use virt_domain::Domain;
use virt_domain::devices::graphics::{Graphics, GraphicsKind, GraphicsType, Listen};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use set::PortSet;

/// What a port is for, each with a range of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortUse {
    /// VNC.
    Vnc,
    /// VNC over websockets.
    Websocket,
    /// SPICE.
    Spice,
    /// RDP.
    Rdp,
}

impl PortUse {
    /// The word in messages.
    fn word(self) -> &'static str {
        match self {
            Self::Vnc => "vnc",
            Self::Websocket => "vnc-websockets",
            Self::Spice => "spice",
            Self::Rdp => "rdp",
        }
    }
}

/// The ports of all running guests.
#[derive(Debug, Clone)]
pub struct Ports {
    displays: RangeInclusive<u16>,
    websockets: RangeInclusive<u16>,
    rdp: RangeInclusive<u16>,
    taken: PortSet,
}

impl Ports {
    /// None taken yet; both ends of each range are included (`remote_display_port_min` and so on
    /// of qemu.conf).
    pub fn new(displays: (u16, u16), websockets: (u16, u16)) -> Self {
        Self {
            displays: displays.0..=displays.1,
            websockets: websockets.0..=websockets.1,
            rdp: 3389..=65535,
            taken: PortSet::new(),
        }
    }

    fn range(&self, used: PortUse) -> RangeInclusive<u16> {
        match used {
            PortUse::Vnc | PortUse::Spice => self.displays.clone(),
            PortUse::Websocket => self.websockets.clone(),
            PortUse::Rdp => self.rdp.clone(),
        }
    }

    /// The first port that no guest has and that `free` says nobody else has.
    ///
    /// # Errors
    /// INTERNAL_ERROR when there is none in the range.
    pub fn reserve(&mut self, used: PortUse, mut free: impl FnMut(u16) -> bool) -> Result<u16> {
        let range = self.range(used);
        let mut from = Some(*range.start());
        let port = loop {
            let port = from.and_then(|from| self.taken.first_missing(from, *range.end()));
            match port {
                Some(port) if !free(port) => from = port.checked_add(1),
                found => break found,
            }
        };
        let port = port.ok_or_else(|| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::None,
                format!(
                    "Unable to find an unused port in range '{}' ({}-{})",
                    used.word(),
                    range.start(),
                    range.end()
                ),
            )
        })?;
        self.taken.insert(port);
        Ok(port)
    }

    /// Remembers a port that a guest has of its own choice or from before the daemon was restarted.
    pub fn claim(&mut self, port: u16) {
        self.taken.insert(port);
    }

    /// Gives ports back.
    pub fn release(&mut self, ports: &[u16]) {
        for port in ports {
            self.taken.remove(*port);
        }
    }

    /// Chooses all ports that a guest leaves open, writes them into it and gives all that it has now,
    /// for [`Ports::release`] when it ends. `tls` is whether SPICE is to have a port with TLS.
    ///
    /// # Errors
    /// As [`Ports::reserve`]; nothing is taken then.
    pub fn choose(
        &mut self,
        domain: &mut Domain,
        tls: bool,
        mut free: impl FnMut(u16) -> bool,
    ) -> Result<Vec<u16>> {
        let mut given = Vec::new();
        for graphics in &mut domain.devices.graphics {
            if let Err(error) = self.choose_one(graphics, tls, &mut free, &mut given) {
                self.release(&given);
                return Err(error);
            }
        }
        Ok(given)
    }

    /// As [`Ports::choose`] for a guest that nobody starts: whatever is taken, VNC gets the first
    /// port and SPICE the ones behind it, as the stock daemon shows them.
    ///
    /// # Errors
    /// As [`Ports::reserve`].
    pub fn choose_unasked(
        displays: (u16, u16),
        websockets: (u16, u16),
        domain: &mut Domain,
        tls: bool,
    ) -> Result<()> {
        let mut ports = Self::new(displays, websockets);
        ports.claim(displays.0);
        for graphics in &mut domain.devices.graphics {
            if graphics.kind() == GraphicsType::Vnc {
                ports.release(&[displays.0]);
            }
            ports.choose_one(graphics, tls, &mut |_| true, &mut Vec::new())?;
            ports.claim(displays.0);
        }
        Ok(())
    }

    fn choose_one(
        &mut self,
        graphics: &mut Graphics,
        tls: bool,
        free: &mut impl FnMut(u16) -> bool,
        given: &mut Vec<u16>,
    ) -> Result<()> {
        if matches!(
            graphics.listens.first(),
            None | Some(Listen::Socket { .. } | Listen::None)
        ) {
            return Ok(());
        }
        let mut reserve = |used| {
            let port = self.reserve(used, &mut *free)?;
            given.push(port);
            Ok::<u16, Error>(port)
        };
        match &mut graphics.kind {
            GraphicsKind::Vnc(vnc) => {
                if vnc.autoport && vnc.port.is_none() {
                    vnc.port = Some(reserve(PortUse::Vnc)?.into());
                }
                if vnc.websocket == Some(-1) {
                    vnc.websocket = Some(reserve(PortUse::Websocket)?.into());
                    vnc.websocket_generated = true;
                }
            }
            GraphicsKind::Spice(spice) => {
                let (plain, secure) = spice.wanted_ports(tls);
                if plain {
                    spice.port = reserve(PortUse::Spice)?.into();
                }
                if secure {
                    spice.tls_port = reserve(PortUse::Spice)?.into();
                }
            }
            GraphicsKind::Rdp(rdp) if rdp.autoport && rdp.port == 0 => {
                rdp.port = reserve(PortUse::Rdp)?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The ports that a running guest has, for [`Ports::claim`] after a restart of the daemon and
/// [`Ports::release`] at its end.
pub fn of_guest(domain: &Domain) -> Vec<u16> {
    let mut ports = Vec::new();
    let mut add = |port: i32| {
        if let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) {
            ports.push(port);
        }
    };
    for graphics in &domain.devices.graphics {
        match &graphics.kind {
            GraphicsKind::Vnc(vnc) => {
                add(vnc.port.unwrap_or(0));
                add(vnc.websocket.unwrap_or(0));
            }
            GraphicsKind::Spice(spice) => {
                add(spice.port);
                add(spice.tls_port);
            }
            GraphicsKind::Rdp(rdp) => add(rdp.port.into()),
            _ => {}
        }
    }
    ports
}

/// Whether nobody listens at that port, on any address of the host.
pub fn is_free(port: u16) -> bool {
    // An address family that the host does not have takes no port.
    let v6 = try_bind(AddressFamily::INET6, (Ipv6Addr::UNSPECIFIED, port).into());
    let v4 = try_bind(AddressFamily::INET, (Ipv4Addr::UNSPECIFIED, port).into());
    v6.unwrap_or(true) && v4.unwrap_or(true)
}

/// Whether the address could be bound; nothing when that can't be tried.
fn try_bind(family: AddressFamily, address: SocketAddr) -> Option<bool> {
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).ok()?;
    sockopt::set_socket_reuseaddr(&socket, true).ok()?;
    if family == AddressFamily::INET6 {
        sockopt::set_ipv6_v6only(&socket, true).ok()?;
    }
    match bind(&socket, &address) {
        Ok(()) => Some(true),
        Err(rustix::io::Errno::ADDRINUSE | rustix::io::Errno::ACCESS) => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_port_is_given_and_comes_back() {
        let mut ports = Ports::new((5900, 5902), (5700, 5710));
        let busy = |port| port != 5900;
        assert_eq!(ports.reserve(PortUse::Vnc, busy).unwrap(), 5901);
        assert_eq!(ports.reserve(PortUse::Spice, busy).unwrap(), 5902);
        let error = ports.reserve(PortUse::Vnc, busy).unwrap_err();
        assert_eq!(
            error.message(),
            "internal error: Unable to find an unused port in range 'vnc' (5900-5902)"
        );
        ports.release(&[5901]);
        assert_eq!(ports.reserve(PortUse::Vnc, busy).unwrap(), 5901);
        ports.claim(5700);
        assert_eq!(ports.reserve(PortUse::Websocket, busy).unwrap(), 5701);
    }

    #[test]
    fn a_port_somebody_listens_at_is_not_free() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        drop(listener);
        assert!(is_free(port));
    }
}
