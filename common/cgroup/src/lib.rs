//! Control groups of guests, for both drivers: where the host has them ([`Layout`]), what guests'
//! groups are called ([`names`]), one group in all hierarchies ([`Group`]) and what is set in it.
//!
//! Facts: cgroups(7), the kernel's documents on both versions, WIRE.md section 22.

mod controller;
mod device_filter;
mod file;
mod freezer;
mod group;
mod host;
mod layout;
mod machined;
pub mod names;
mod pressure;
mod usage;
mod values;

pub use controller::Controller;
pub use device_filter::DeviceRule;
pub use freezer::Freezing;
pub use group::Group;
pub use host::{Apart, Driver, Guest, Host, Placed};
pub use layout::{Layout, Legacy, Unified};
pub use pressure::{Pressure, Resource, Stall};
pub use usage::{BlockIo, MemoryUse};
pub use values::{CpuUsage, MemoryLimit, Throttle, UNLIMITED_KIB};
