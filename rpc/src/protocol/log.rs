//! Program 0x87539319: log files of guests (virtlogd).

use virt_rpc_derive::procedures;

use super::{Row, Visitor, table};
use crate::xdr::{ByteString, Xdr};

/// A domain as the log daemon knows it.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct Domain {
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Its name.
    pub name: String,
}

/// A place in a log file that survives its rotation.
#[derive(Debug, Clone, PartialEq, Xdr)]
pub struct LogFilePosition {
    /// Inode of the file.
    pub inode: u64,
    /// Offset in it, in bytes.
    pub offset: u64,
}

/// Bits of DOMAIN_OPEN_LOG_FILE's flags.
pub mod open_flag {
    /// Removes what is there, backups included.
    pub const TRUNCATE: u32 = 1;
}

/// The longest text in one message, in bytes (`VIR_LOG_MANAGER_PROTOCOL_STRING_MAX`).
pub const TEXT_MAX: u64 = 4_194_304;

procedures! {
    program Log "VIR_LOG_MANAGER_PROTOCOL_PROC_";

    1 DOMAIN_OPEN_LOG_FILE DomainOpenLogFile
        low own allow []
        (driver: String, dom: Domain, path: String, flags: u32) -> (pos: LogFilePosition);

    2 DOMAIN_GET_LOG_FILE_POSITION DomainGetLogFilePosition
        low own allow []
        (path: String, flags: u32) -> (pos: LogFilePosition);

    3 DOMAIN_READ_LOG_FILE DomainReadLogFile
        low own allow []
        (path: String, pos: LogFilePosition, maxlen: u64, flags: u32) -> (data: ByteString);

    4 DOMAIN_APPEND_LOG_FILE DomainAppendLogFile
        low own allow []
        (driver: String, dom: Domain, path: String, message: ByteString, flags: u32)
        -> (ret: i32);
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<4>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
