//! bounded XML reading and libvirt-style writing.
