//! The capabilities that writing logs takes.

use caps::Capability;
use virt_daemon::privileges::Kept;

/// While it serves.
pub const SERVING: &[Kept] = &[
    (
        Capability::CAP_DAC_OVERRIDE,
        "write where the configuration of a guest says: its folder may be another user's",
    ),
    (
        Capability::CAP_AUDIT_WRITE,
        "write to the kernel's audit trail what daemons say of guests; no other daemon may",
    ),
];
