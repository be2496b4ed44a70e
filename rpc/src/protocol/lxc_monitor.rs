//! Program 0x12341234: between the LXC driver and a container's controller.

use virt_rpc_derive::procedures;

use super::{Row, Visitor, table};

named_values! {
    /// Why a container ended.
    ExitStatus { ERROR = 0, SHUTDOWN = 1, REBOOT = 2 }
}

procedures! {
    program LxcMonitor "VIR_LXC_MONITOR_PROC_";

    event 1 EXIT_EVENT ExitEvent (status: ExitStatus);

    event 2 INIT_EVENT InitEvent (initpid: u64);
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<2>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
