//! Program 0x7669_6c73, our own: who holds which lease, taking one away from its holder, and whether
//! one could be had (virtlockd). Served beside the lock program on the same socket.

use virt_rpc_derive::procedures;

use super::lock::{Owner, STRING_MAX};
use super::{Row, Visitor, table};
use crate::xdr::Xdr;

/// Most leases in one answer.
pub const LEASES_MAX: usize = 1024;
/// Most holders of one lease that are listed.
pub const HOLDERS_MAX: usize = 256;

/// One holder of a lease.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Holder {
    /// Who it is.
    pub owner: Owner,
    /// Since when, in seconds since the epoch.
    pub since: i64,
    /// 1 if the holder's own process keeps the lock when virtlockd dies, otherwise 0.
    pub guarded: i32,
}

/// One lease that is held.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Lease {
    /// The lock space's folder; empty for the one whose resources are paths.
    #[xdr(max = STRING_MAX)]
    pub space: String,
    /// The resource's name in it.
    #[xdr(max = STRING_MAX)]
    pub name: String,
    /// 1 if several may hold it, otherwise 0.
    pub shared: i32,
    /// 1 if its file is removed with it, otherwise 0.
    pub transient: i32,
    /// Who holds it.
    #[xdr(max = HOLDERS_MAX)]
    pub holders: Vec<Holder>,
}

procedures! {
    program Leases "VIRT_LEASES_PROC_";

    1 LIST List
        low own allow []
        (from: u32)
        -> (#[xdr(max = LEASES_MAX)] leases: Vec<Lease>, more: i32);

    2 BREAK Break
        low own allow []
        (#[xdr(max = STRING_MAX)] space: String, #[xdr(max = STRING_MAX)] name: String)
        -> (lease: Lease);

    3 CHECK Check
        low own allow []
        (
            #[xdr(max = STRING_MAX)] space: String, #[xdr(max = STRING_MAX)] name: String,
            shared: i32,
        );
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<3>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
