//! libvirt-compatible daemon for QEMU guests.

pub mod caps;
pub mod qmp;
