//! What both drivers share: the registry of guests, access to them, their definitions on disk,
//! events, lists.

pub mod access;
pub mod actor;
pub mod api;
pub mod audit;
pub mod consoles;
mod definition;
pub mod description;
pub mod durable;
mod ending;
pub mod events;
mod figures;
mod filter;
pub mod filter_bindings;
mod first_boot;
pub mod groups;
mod guest;
pub mod identity;
pub mod leases;
pub mod logs;
pub mod network_ports;
mod off_thread;
pub mod process;
mod registry;
pub mod secondary;
pub mod secrets;
mod state;
mod store;
#[cfg(test)]
mod tests;
pub mod volumes;

pub use access::{Authorized, Guests};
pub use definition::{Definition, DiskSummary, Summary};
pub use description::{Describe, Described, Edit, Edited, Size, change, change_live, replace};
pub use ending::Ending;
pub use events::{Event, Events, Subscriber};
pub use figures::figures;
pub use filter::{Filter, too_long};
pub use first_boot::is_first_since_boot;
pub use guest::{Facts, Guest};
pub use off_thread::{done_off_thread, off_thread};
pub use registry::{Registry, Reservation, Taken};
pub use state::{Crashed, Paused, Running, Shutdown, Shutoff, State};
pub use store::{Store, warning};
pub use virt_owners::Owners;
pub use virt_rpc::server::Identity;
