//! libvirt-compatible daemon for QEMU guests.

use std::process::ExitCode;

fn main() -> ExitCode {
    virt_daemon::launch::<virtqemud::daemon::Virtqemud>(std::env::args_os().skip(1))
}
