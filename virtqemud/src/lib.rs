//! libvirt-compatible daemon for QEMU guests.
