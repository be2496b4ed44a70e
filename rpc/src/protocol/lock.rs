//! Program 0x0EA7BEEF: leases (virtlockd).

use virt_rpc_derive::procedures;

use super::{Row, Visitor, table};
use crate::xdr::Xdr;

/// Longest path or name, in bytes (WIRE.md section 1).
pub const STRING_MAX: usize = 65_536;

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Owner {
    /// The guest's UUID.
    pub uuid: [u8; 16],
    /// The guest's name.
    #[xdr(max = STRING_MAX)]
    pub name: String,
    /// The guest's id; not 0.
    pub id: u32,
    /// The process that holds the leases.
    pub pid: u32,
}

procedures! {
    program Lock "VIR_LOCK_SPACE_PROTOCOL_PROC_";

    1 REGISTER Register
        low own allow []
        (owner: Owner, flags: u32);

    2 RESTRICT Restrict
        low own allow []
        (flags: u32);

    3 NEW New
        low own allow []
        (#[xdr(max = STRING_MAX)] path: String, flags: u32);

    4 CREATE_RESOURCE CreateResource
        low own allow []
        (
            #[xdr(max = STRING_MAX)] path: String, #[xdr(max = STRING_MAX)] name: String,
            flags: u32,
        );

    5 DELETE_RESOURCE DeleteResource
        low own allow []
        (
            #[xdr(max = STRING_MAX)] path: String, #[xdr(max = STRING_MAX)] name: String,
            flags: u32,
        );

    6 ACQUIRE_RESOURCE AcquireResource
        low own allow []
        (
            #[xdr(max = STRING_MAX)] path: String, #[xdr(max = STRING_MAX)] name: String,
            flags: u32,
        );

    7 RELEASE_RESOURCE ReleaseResource
        low own allow []
        (
            #[xdr(max = STRING_MAX)] path: String, #[xdr(max = STRING_MAX)] name: String,
            flags: u32,
        );

    8 CREATE_LOCKSPACE CreateLockspace
        low own allow []
        (#[xdr(max = STRING_MAX)] path: String);
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<8>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
