//! Maps of the host's processors, a bit for each, as calls about virtual processors tell them.

use virt_domain::NumberSet;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::limit::{CPUMAPS_MAX, VCPUINFO_MAX};

/// How many of a client's `wanted` entries of `length` bytes fit a reply.
///
/// # Errors
/// INTERNAL_ERROR for more than that.
pub fn bounded(wanted: i32, length: i32) -> Result<(usize, usize)> {
    let sizes = usize::try_from(wanted)
        .ok()
        .zip(usize::try_from(length).ok());
    sizes
        .filter(|(count, bytes)| {
            *count <= VCPUINFO_MAX && count.saturating_mul(*bytes) <= CPUMAPS_MAX
        })
        .ok_or_else(|| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Rpc,
                format!("{wanted} processor maps of {length} bytes are more than a reply holds"),
            )
        })
}

/// The bits of a set in a map of so many bytes, those of processors the host has not left out; no set:
/// all of them.
pub fn map(set: Option<&NumberSet>, host_cpus: u32, bytes: usize) -> Vec<u8> {
    let mut map = vec![0; bytes];
    for cpu in 0..host_cpus {
        let place = (cpu / 8) as usize;
        if place < bytes && set.is_none_or(|set| set.contains(cpu)) {
            map[place] |= 1 << (cpu % 8);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_a_bit_for_each_of_the_hosts_processors() {
        assert_eq!(map(None, 2, 1), [0b11]);
        assert_eq!(map(None, 10, 2), [0xff, 0b11]);
        assert_eq!(map(NumberSet::parse("1,9").as_ref(), 10, 2), [0b10, 0b10]);
        assert_eq!(map(None, 10, 1), [0xff]);
        assert!(map(None, 10, 0).is_empty());
    }

    #[test]
    fn maps_beyond_a_reply_are_refused() {
        assert!(bounded(16384, 1).is_ok());
        assert!(bounded(16385, 1).is_err());
        assert!(bounded(-1, 1).is_err());
        assert!(bounded(1024, i32::MAX).is_err());
    }
}
