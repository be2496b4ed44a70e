//! The capabilities that writing logs takes.

use caps::Capability;
use virt_daemon::privileges::Kept;

/// While it serves.
pub const SERVING: &[Kept] = &[(
    Capability::CAP_DAC_OVERRIDE,
    "write where the configuration of a guest says: its folder may be another user's",
)];
