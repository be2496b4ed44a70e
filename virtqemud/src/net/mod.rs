//! The host's side of a guest's network interfaces: taps, bridges, counters.
//!
//! Links are changed over rtnetlink, one message for everything that changes at a link.

pub mod bandwidth;
mod command;
pub mod counters;
pub mod host_end;
mod macvtap;
pub mod open_vswitch;
mod rtnetlink;
pub mod tap;
pub mod vhost;

pub use counters::Counters;
pub use host_end::{End, HostEnd};
pub use tap::{Tap, TapRequest};
