//! libvirt-compatible daemon that decides who may do what to which guest.

use std::process::ExitCode;

use virtacld::daemon::Virtacld;

fn main() -> ExitCode {
    virt_daemon::launch::<Virtacld>(std::env::args_os().skip(1))
}
