//! What the host is: CPU, NUMA, memory, firmware tables, capabilities.
//!
//! Everything reads below a root folder given at the start, so that a test brings its own `/sys`
//! and `/proc`; what is parsed is text, and file access stays in [`sysfs`].

pub mod capabilities;
pub mod cpu;
pub mod cpuset;
mod host;
pub mod kvm;
mod node;
pub mod smbios;
pub mod sysfs;
pub mod uuid;

pub use host::{CpuMap, Host};
pub use node::info::NodeInfo;
pub use node::memory::Stat;
pub use node::pages::Pages;
