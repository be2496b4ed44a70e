//! libvirt-compatible daemon for QEMU guests.

pub mod argv;
pub mod caps;
pub mod firmware;
pub mod net;
pub mod probe;
pub mod process;
pub mod qemu_conf;
pub mod qmp;
