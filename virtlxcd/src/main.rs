//! libvirt-compatible daemon for containers.

use std::process::ExitCode;

use virtlxcd::daemon::Virtlxcd;

fn main() -> ExitCode {
    virt_daemon::launch::<Virtlxcd>(std::env::args_os().skip(1).peekable())
}
