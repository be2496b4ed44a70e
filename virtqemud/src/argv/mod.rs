//! QEMU's command line of a guest: a file per device family, each from the typed device and the
//! binary's capabilities to typed arguments, which [`props`] renders in one place.
//!
//! Order and names: WIRE.md section 30.

mod command_line;
mod context;
pub mod props;

pub use command_line::CommandLine;
pub use context::{
    Descriptors, DriverConfig, FileUse, Incoming, StartContext, TapFds, Tls, VhostNet,
};
