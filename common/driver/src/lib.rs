//! What both drivers share: the registry of guests, their definitions on disk, events, lists.

pub mod durable;
mod state;
mod store;

pub use state::{Crashed, Paused, Running, Shutdown, Shutoff, State};
pub use store::Store;
