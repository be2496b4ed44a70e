//! Addresses and routes that a definition gives a link.

use std::net::IpAddr;

use virt_domain::devices::interface::{Ip, Route};
use virt_error::Result;

use crate::host_end::system;
use crate::rtnetlink::Rtnetlink;

/// Gives a link its addresses and routes; for those it has to be up.
pub(crate) fn addresses(
    kernel: &Rtnetlink,
    index: u32,
    link: &str,
    ips: &[Ip],
    routes: &[Route],
) -> Result<()> {
    let bits = |address: IpAddr, given: Option<u32>| {
        let all = if address.is_ipv4() { 32 } else { 128 };
        given
            .and_then(|bits| u8::try_from(bits).ok())
            .unwrap_or(all)
    };
    for ip in ips {
        let prefix = bits(ip.address, ip.prefix.or(usual_prefix(ip.address)));
        kernel
            .add_address(index, ip.address, prefix, ip.peer)
            .map_err(system(format!(
                "Failed to add IP address {}/{prefix} to {link}",
                ip.address
            )))?;
    }
    for route in routes {
        let masked = route.netmask.map(mask_bits);
        let prefix = bits(route.address, route.prefix.or(masked));
        kernel
            .add_route(index, route.address, prefix, route.gateway, route.metric)
            .map_err(system(format!(
                "Failed to add route {}/{prefix} via {} to {link}",
                route.address, route.gateway
            )))?;
    }
    Ok(())
}

/// The network's part of an address that doesn't say it: by class in the old family, 64 bits in the
/// new one.
fn usual_prefix(address: IpAddr) -> Option<u32> {
    match address {
        IpAddr::V4(address) => match address.octets()[0] {
            0..=127 => Some(8),
            128..=191 => Some(16),
            192..=223 => Some(24),
            _ => None,
        },
        IpAddr::V6(_) => Some(64),
    }
}

fn mask_bits(mask: IpAddr) -> u32 {
    match mask {
        IpAddr::V4(mask) => u32::from(mask).leading_ones(),
        IpAddr::V6(mask) => u128::from(mask).leading_ones(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_a_prefix_get_the_usual_one() {
        for (address, prefix) in [("10.0.0.1", 8), ("192.168.1.1", 24), ("fd00::1", 64)] {
            assert_eq!(usual_prefix(address.parse().unwrap()), Some(prefix));
        }
        assert_eq!(mask_bits("255.255.240.0".parse().unwrap()), 20);
    }
}
