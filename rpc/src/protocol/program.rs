//! The programs by number.

use super::{
    Row, RowKind, admin, decisions, keepalive, leases, lock, log, lxc, lxc_monitor, qemu, records,
    remote,
};

macro_rules! programs {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $module:ident;)*) => {
        /// A program of the protocol; each has version 1.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Program { $($(#[$doc])* $name = $number),* }

        impl Program {
            /// All of them.
            pub const ALL: [Self; 11] = [$(Self::$name),*];

            /// The program with that number.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Its rows in the order of their numbers, which start at 1.
            pub fn table(self) -> &'static [&'static Row] {
                match self { $(Self::$name => $module::TABLE),* }
            }
        }
    };
}

programs! {
    /// libvirt's main API.
    Remote = 0x2000_8086, remote;
    /// QEMU's own calls.
    Qemu = 0x2000_8087, qemu;
    /// LXC's own calls.
    Lxc = 0x0006_8000, lxc;
    /// Looking after a daemon.
    Admin = 0x0690_0690, admin;
    /// Leases.
    Lock = 0x0ea7_beef, lock;
    /// Log files.
    Log = 0x8753_9319, log;
    /// Pings.
    Keepalive = 0x6b65_6570, keepalive;
    /// A container's controller.
    LxcMonitor = 0x1234_1234, lxc_monitor;
    /// Our own: who holds which lease.
    Leases = 0x7669_6c73, leases;
    /// Our own: may this person do this to that.
    Decisions = 0x7669_6163, decisions;
    /// Our own: what happens in the daemons.
    Records = 0x7669_7263, records;
}

impl Program {
    /// The only version there is.
    pub const VERSION: u32 = 1;

    /// The number on the wire.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The row with that procedure number.
    pub fn row(self, number: i32) -> Option<&'static Row> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.table().get(place).copied()
    }

    /// The row of a call with that number; events and gaps are not callable.
    pub fn callable(self, number: i32) -> Option<&'static Row> {
        self.row(number).filter(|row| row.kind == RowKind::Call)
    }
}
