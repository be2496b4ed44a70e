//! Program 0x00068000: what is LXC's alone.

use virt_rpc_derive::procedures;

use super::{Row, Visitor, table};

use super::remote::NonnullDomain;

procedures! {
    program Lxc "LXC_PROC_";

    1 DOMAIN_OPEN_NAMESPACE DomainOpenNamespace "virDomainLxcOpenNamespace"
        low hypervisor deny [domain.open_namespace]
        (dom: NonnullDomain, flags: u32);
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<1>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
