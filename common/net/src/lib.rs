//! The host's side of guests' network interfaces: taps, pairs, bridges, counters, ports of networks,
//! packet filters.
//!
//! Links are changed over rtnetlink, one message for everything that changes at a link.

mod addresses;
pub mod bandwidth;
mod bridge_port;
mod command;
pub mod container;
pub mod counters;
pub mod end;
pub mod figures;
pub mod filters;
pub mod host_end;
pub mod lent;
mod macvtap;
pub mod meant;
mod names;
mod namespace;
pub mod network_ports;
mod of_interfaces;
pub mod open_vswitch;
pub mod parameters;
mod rtnetlink;
pub mod stats;
pub mod tap;

pub use counters::Counters;
pub use end::End;
pub use host_end::HostEnd;
pub use namespace::Namespace;
pub use of_interfaces::{List, OfInterfaces};
pub use tap::{Tap, TapRequest};
