//! Processes: QEMU itself and the programs that serve it.
//!
//! [`child`] starts a program so that it outlives the daemon, [`handle`] holds on to a process
//! and learns of its end at once.

pub mod child;
pub mod handle;
mod registration;

pub use child::{Place, Program, Stdio};
pub use handle::Process;
pub use virt_daemon::watch;
