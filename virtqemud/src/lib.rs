//! libvirt-compatible daemon for QEMU guests.

pub mod argv;
pub mod caps;
pub mod qmp;
pub mod qemu_conf;
