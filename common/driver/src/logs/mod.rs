//! Logs of guests: what a guest's process prints, what its character devices write, and the lines of
//! the daemon itself in `NAME.log`.
//!
//! They go through virtlogd (the log program, WIRE.md section 17), or into files that the daemon opens.
//! Which of them is one decision for each start of a guest, kept in its status file: a guest that is
//! taken over goes on with what it has.

mod file;
mod guest_log;
mod logd;
mod remove;
mod route;
mod time;

pub use guest_log::GuestLog;
pub use logd::Logd;
pub use remove::remove;
pub use route::{Existing, Handler, Logs, Route};
pub use time::timestamp;
pub use virt_rpc::protocol::log::Domain as Owner;
