//! The life of a container: one entry each, one actor for each that is active or busy. Its controller's
//! end is its end, whoever caused it; what that means is what was under way, else what the controller
//! said on its monitor socket.

mod body;
mod described;
mod end;
mod entry;
mod leases;
mod monitor;
mod pause;
mod recover;
mod resize;
mod snapshot;
mod start;
mod status;

pub use body::{Body, News};
pub use entry::Guest;
pub use recover::recover;
pub use snapshot::{Container, Live, Snapshot, no_init};
pub use start::create;
pub use status::Status;

use virt_driver::{Event, Shutoff};

/// Lifecycle events with libvirt's numbers (`libvirt-domain.h`).
pub(crate) mod lifecycle {
    use super::{Event, Shutoff};

    const fn of(event: i32, detail: i32) -> Event {
        Event::Lifecycle { event, detail }
    }

    /// It was started and boots.
    pub(crate) const STARTED: Event = of(2, 0);
    /// A caller stopped its processes.
    pub(crate) const SUSPENDED: Event = of(3, 0);
    /// They go on.
    pub(crate) const RESUMED: Event = of(4, 0);
    /// It is off.
    pub(crate) const fn stopped(reason: Shutoff) -> Event {
        let detail = match reason {
            Shutoff::Shutdown => 0,
            Shutoff::Destroyed => 1,
            _ => 5,
        };
        of(5, detail)
    }
}
