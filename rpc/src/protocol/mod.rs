//! The programs: every procedure is one row that says its number, its types, its stream,
//! its priority and **who may call it**. Nothing can be served without a row.
//!
//! [`Procedure`] and [`EventMessage`] tie a row to its Rust types at compile time; [`Program`]
//! finds a row by its number at run time.

#[macro_use]
mod named_values;

pub mod access;
mod program;
mod row;
mod table;
pub mod typed_param;
pub mod wire_error;

pub mod admin;
pub mod audit;
pub mod decisions;
pub mod keepalive;
pub mod leases;
pub mod lock;
pub mod log;
pub mod lxc;
pub mod lxc_monitor;
pub mod qemu;
pub mod records;
pub mod remote;

pub use access::{AclRule, Condition, Object, Permission, ReadOnlyRule};
pub use program::Program;
pub use row::{
    Connection, EventMessage, Priority, Procedure, Row, RowKind, StreamDirection, Visitor, Wire,
};

/// The libvirt whose wire and behaviour this is, as its version calls say it: 11.3.0.
pub const LIBVIRT_VERSION: u64 = 11_003_000;
