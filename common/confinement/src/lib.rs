//! Confinement of guests by ownership (libvirt's "DAC"): the user a guest's process runs as, and
//! the files that are given to that user while it runs and back to their owners afterwards
//! (WIRE.md section 23).
//!
//! A file may serve several guests, of this daemon and of libvirt's: its first owner and the
//! number of its users stand in extended attributes of the file itself, by libvirt's names.

mod account;
mod file;
mod give;
mod memory;
mod owner;
mod reach;

pub use account::Account;
pub use file::File;
pub use give::{Remember, give, give_back};
pub use owner::Owner;
pub use reach::{Refused, can_reach};
