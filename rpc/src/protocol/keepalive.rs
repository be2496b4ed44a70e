//! Program 0x6B656570: is the other side still there?

use virt_rpc_derive::procedures;

use super::{Row, Visitor, table};

procedures! {
    program Keepalive "KEEPALIVE_PROC_";

    event 1 PING Ping ();

    event 2 PONG Pong ();
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<2>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
