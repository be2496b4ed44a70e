//! Lifecycle events with libvirt's numbers (`libvirt-domain.h`).

use virt_driver::{Event, Shutoff};

/// What happened to a guest as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// It was started and boots.
    StartedBooted,
    /// It was started from a saved state.
    StartedRestored,
    /// It woke up from its own sleep.
    StartedWakeup,
    /// Its processors were stopped by a caller.
    SuspendedPaused,
    /// A disk failed.
    SuspendedIoError,
    /// Its watchdog rang.
    SuspendedWatchdog,
    /// It was restored and stays stopped.
    SuspendedRestored,
    /// Its processors run again.
    ResumedUnpaused,
    /// Its processors run from a saved state.
    ResumedFromSnapshot,
    /// It shuts itself down.
    ShutdownGuest,
    /// It is being ended from outside.
    ShutdownHost,
    /// It shuts down; QEMU did not say on whose wish.
    ShutdownFinished,
    /// It went to sleep, in memory.
    PmSuspendedMemory,
    /// It went to sleep, on disk.
    PmSuspendedDisk,
    /// It crashed, as it says itself.
    CrashedPanicked,
    /// It crashed and boots its crash kernel.
    CrashedCrashloaded,
    /// It is off.
    Stopped(Shutoff),
}

impl Lifecycle {
    /// The numbers of event and detail.
    pub const fn numbers(self) -> (i32, i32) {
        match self {
            Self::StartedBooted => (2, 0),
            Self::StartedRestored => (2, 2),
            Self::StartedWakeup => (2, 4),
            Self::SuspendedPaused => (3, 0),
            Self::SuspendedIoError => (3, 2),
            Self::SuspendedWatchdog => (3, 3),
            Self::SuspendedRestored => (3, 4),
            Self::ResumedUnpaused => (4, 0),
            Self::ResumedFromSnapshot => (4, 2),
            Self::ShutdownFinished => (6, 0),
            Self::ShutdownGuest => (6, 1),
            Self::ShutdownHost => (6, 2),
            Self::PmSuspendedMemory => (7, 0),
            Self::PmSuspendedDisk => (7, 1),
            Self::CrashedPanicked => (8, 0),
            Self::CrashedCrashloaded => (8, 1),
            Self::Stopped(reason) => (5, stopped(reason)),
        }
    }

    /// The event for those who registered for it.
    pub const fn event(self) -> Event {
        let (event, detail) = self.numbers();
        Event::Lifecycle { event, detail }
    }
}

/// A QEMU that died unasked counts as failed in events although the guest's reason is "crashed":
/// seen in the stock daemon.
const fn stopped(reason: Shutoff) -> i32 {
    match reason {
        Shutoff::Shutdown => 0,
        Shutoff::Destroyed | Shutoff::Daemon => 1,
        Shutoff::Migrated => 3,
        Shutoff::Saved => 4,
        Shutoff::Crashed | Shutoff::Failed | Shutoff::Unknown => 5,
        Shutoff::FromSnapshot => 6,
    }
}
