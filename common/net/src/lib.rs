//! The host's side of guests' network interfaces: taps, bridges, counters, ports of networks, packet
//! filters.
//!
//! Links are changed over rtnetlink, one message for everything that changes at a link.

pub mod bandwidth;
mod command;
pub mod counters;
pub mod filters;
pub mod host_end;
mod macvtap;
pub mod network_ports;
mod of_interfaces;
pub mod open_vswitch;
mod rtnetlink;
pub mod tap;

pub use counters::Counters;
pub use host_end::{End, HostEnd};
pub use of_interfaces::{List, OfInterfaces};
pub use tap::{Tap, TapRequest};
