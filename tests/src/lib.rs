//! end-to-end tests and benchmarks: real clients, real QEMU.
