//! `net.*` of bulk statistics: each interface that has an end on the host, as the guest sees it.

use virt_domain::Domain;
use virt_rpc::protocol::remote::TypedParam;

use crate::counters::Table;

/// How many interfaces there are, and what went through those with an end on the host.
pub fn push(domain: &Domain, table: &Table, params: &mut Vec<TypedParam>) {
    let interfaces = &domain.devices.interfaces;
    let count = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
    params.push(TypedParam::uint("net.count", count));
    for (place, interface) in interfaces.iter().enumerate() {
        let end = interface.target.as_ref().and_then(|end| end.dev.as_deref());
        let Some(end) = end else { continue };
        let name = |what: &str| format!("net.{place}.{what}");
        params.push(TypedParam::string(name("name"), end));
        let Some(counters) = table.of(end) else {
            continue;
        };
        let seen = counters.of_the_guest();
        for (what, value) in [
            ("rx.bytes", seen.rx_bytes),
            ("rx.pkts", seen.rx_packets),
            ("rx.errs", seen.rx_errors),
            ("rx.drop", seen.rx_drops),
            ("tx.bytes", seen.tx_bytes),
            ("tx.pkts", seen.tx_packets),
            ("tx.errs", seen.tx_errors),
            ("tx.drop", seen.tx_drops),
        ] {
            params.push(TypedParam::ullong(name(what), value));
        }
    }
}
