//! Limits of guests and what they use, for both drivers: what the host's control groups keep is set
//! when a guest starts ([`whole`]), asked for and changed by calls ([`api`]), and counted ([`usage`]).
//!
//! A virtual machine has groups of its own for its threads below the guest's; a container has one
//! group for everything in it ([`Threads`]).

pub mod api;
mod bandwidth;
pub mod blkio;
pub mod cpu_maps;
pub mod figures;
mod group_name;
mod limited;
pub mod memory;
mod nodes;
pub mod requirements;
mod scheduled;
pub mod usage;
mod whole;

pub use bandwidth::Bandwidth;
pub use group_name::guest;
pub use limited::{EMULATOR, Limited, Limits, Threads, of_iothread, of_vcpu};
pub use nodes::strict as strict_nodes;
pub use scheduled::{OF_CONTAINERS, OF_MACHINES, Of, Scheduled, What};
pub use whole::limit as limit_whole;
