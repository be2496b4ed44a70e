//! The capabilities that looking after locks takes.

use caps::Capability;
use virt_daemon::privileges::Kept;

const OPEN: Kept = (
    Capability::CAP_DAC_OVERRIDE,
    "open images and lock files of any user",
);
const END: Kept = (
    Capability::CAP_KILL,
    "end a guest's process that would go on without its leases",
);

/// While it starts.
pub const STARTING: &[Kept] = &[
    OPEN,
    END,
    (
        Capability::CAP_SYS_PTRACE,
        "take the locks of guests of other users up again (pidfd_getfd(2)); given up once done",
    ),
];

/// While it serves.
pub const SERVING: &[Kept] = &[OPEN, END];
