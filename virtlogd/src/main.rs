//! libvirt-compatible daemon for the logs of guests.

use std::process::ExitCode;

use virtlogd::daemon::Virtlogd;

fn main() -> ExitCode {
    virt_daemon::launch::<Virtlogd>(std::env::args_os().skip(1))
}
