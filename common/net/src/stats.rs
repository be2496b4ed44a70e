//! What went through an interface of a guest, as clients are told.

use virt_domain::devices::interface::Interface;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::DomainInterfaceStatsRet;

use crate::counters::{Counters, Table};

fn internal(what: &str) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::None, what)
}

fn unreadable(cause: &std::io::Error) -> Error {
    Error::system(ErrorDomain::None, "Could not open /proc/net/dev", cause)
}

/// By the interface's end on the host.
///
/// # Errors
/// INTERNAL_ERROR for one that has none.
pub fn by_host_end(interface: &Interface) -> Result<Counters> {
    let end = interface.target_dev();
    let end = end.ok_or_else(|| internal("Interface name not provided"))?;
    let table = Table::read().map_err(|cause| unreadable(&cause))?;
    let seen = table.of(end);
    let seen = seen.ok_or_else(|| internal("/proc/net/dev: Interface not found"))?;
    Ok(seen.of_the_guest())
}

/// By the end in the network namespace of the process with this number.
///
/// # Errors
/// INTERNAL_ERROR for one that is not called as it was any more.
pub fn by_own_end(interface: &Interface, pid: i32) -> Result<Counters> {
    let own = interface
        .guest
        .as_ref()
        .and_then(|end| end.actual.as_deref());
    let own = own.ok_or_else(|| internal("Interface name not provided"))?;
    let table = Table::of_process(pid).map_err(|cause| unreadable(&cause))?;
    let seen = table.of(own);
    seen.ok_or_else(|| internal("/proc/net/dev: Interface not found"))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl From<Counters> for DomainInterfaceStatsRet {
    fn from(seen: Counters) -> Self {
        Self {
            rx_bytes: signed(seen.rx_bytes),
            rx_packets: signed(seen.rx_packets),
            rx_errs: signed(seen.rx_errors),
            rx_drop: signed(seen.rx_drops),
            tx_bytes: signed(seen.tx_bytes),
            tx_packets: signed(seen.tx_packets),
            tx_errs: signed(seen.tx_errors),
            tx_drop: signed(seen.tx_drops),
        }
    }
}
