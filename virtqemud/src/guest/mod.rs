//! The life of a guest: one entry per guest, one actor per guest that is active or busy.
//!
//! Readers take the entry's published [`Snapshot`] and never wait. Changes are jobs in the guest's
//! queue; its actor runs them one after the other and listens to QEMU meanwhile. An inactive guest
//! with nothing to do costs no task.
//!
//! ```text
//!                    start, create, restore
//!        ┌───────────────────────────────────────────────┐
//!        │                                               ▼
//!     shutoff ◄────────── end of QEMU ─────────── paused (starting up)
//!        ▲                                               │ cont
//!        │ end of QEMU              suspend, STOP        ▼
//!        ├──────────── paused ◄─────────────────────  running ──────► pmsuspended
//!        │             (user, ioerror,  resume, RESUME ▲ │   SUSPEND      │ WAKEUP
//!        │              watchdog, save) ───────────────┘ │ ◄──────────────┘
//!        │                                      SHUTDOWN │
//!        └────────────────────── shutdown ◄──────────────┤
//!        └────────────────────── crashed  ◄──────────────┘ GUEST_PANICKED (on_crash preserve)
//! ```
//!
//! QEMU's end is learnt from its pidfd, whoever caused it; what it means (destroyed, shutdown,
//! crashed, saved, failed) is what was under way by then. Destroying does not queue: it notes the
//! intent, signals the process, and waits until the actor has cleaned up.

#[cfg(test)]
mod actor_tests;
mod audit;
mod belongings;
mod body;
mod described;
mod device_events;
mod dump;
mod end;
mod entry;
mod launch;
mod leases;
mod lifecycle;
mod log;
mod migration;
mod power;
mod processors;
mod recover;
mod resize;
mod snapshot;
mod status_file;
mod taint;
#[cfg(test)]
pub(crate) mod tests;
mod transition;

pub use belongings::{Belongings, Provisional};
pub use body::Body;
pub(crate) use body::{Policy, Running};
pub use dump::{DumpFormat, DumpOptions};
pub use entry::Guest;
pub(crate) use launch::create_from;
pub use launch::{StartOptions, create};
pub use lifecycle::Lifecycle;
pub(crate) use log::log_owner;
pub(crate) use processors::{entries, set_entries};
pub use recover::{forget_transient, recover};
pub(crate) use resize::balloon;
pub use snapshot::{IothreadThread, Live, Qemu, Snapshot, Vcpu};
pub use taint::Taint;
pub(crate) use transition::Becomes;
pub use virt_driver::Size;
pub use virt_driver::consoles::{Console, Consoles};
