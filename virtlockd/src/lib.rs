//! virtlockd: one thing, leases. A lease is a lock on the first byte of a file, where libvirt puts it,
//! so that hosts running libvirt and hosts running this exclude each other on a shared file system.
//!
//! The locks are those of open file descriptions (fcntl(2), F_OFD_SETLK). They end with the last
//! descriptor, wherever that is: a replacement of the program in place keeps them
//! ([`state`]), and so does the guest's own process when this daemon dies ([`keepsake`]).

mod api;
pub mod command;
pub mod daemon;
mod departure;
mod descriptors;
pub mod files;
mod guests;
mod holder;
mod keepsake;
mod lease_file;
mod leases;
mod lockspace;
mod lockspaces;
mod notes;
mod privileges;
mod recovery;
mod sandbox;
pub mod scenario;
mod session;
mod state;
mod turns;
