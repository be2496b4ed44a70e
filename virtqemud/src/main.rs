//! libvirt-compatible daemon for QEMU guests.

use std::process::ExitCode;

use virtqemud::{daemon::Virtqemud, lock_failure};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    match arguments.next_if(|first| lock_failure::is_meant(first)) {
        Some(_) => lock_failure::run(arguments),
        None => virt_daemon::launch::<Virtqemud>(arguments),
    }
}
