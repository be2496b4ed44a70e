//! QEMU's machine protocol (QMP): the client's side.
//!
//! The core takes bytes and gives values and knows nothing of sockets: [`line`] cuts bounded
//! lines, [`message`] gives each its meaning. [`monitor`] is the thin asynchronous shell around
//! it: one task per connection, a deadline for every command, replies matched by number, events
//! in a channel that ends when QEMU hangs up.
//!
//! The other files hold the typed commands, one family each. Their names and members are those
//! of QEMU's own "QEMU QMP Reference Manual".

pub mod block;
pub mod cpu;
pub mod display;
pub mod error;
pub mod hotpluggable;
pub mod line;
pub mod machine;
pub mod memory;
pub mod message;
pub mod migrate;
pub mod monitor;
pub mod peripheral;
pub mod run;

pub use error::QmpError;
pub use message::{CommandError, Event, Greeting, Message};
pub use monitor::{Monitor, Pending};
