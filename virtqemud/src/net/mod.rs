//! The host's side of a guest's network interfaces: taps, bridges, counters.
//!
//! Links are changed over rtnetlink, one message for everything that changes at a link.

pub mod counters;
mod rtnetlink;
pub mod tap;
pub mod vhost;

pub use counters::Counters;
pub use tap::{Tap, TapRequest};
