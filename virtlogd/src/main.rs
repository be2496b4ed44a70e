//! libvirt-compatible daemon for the logs of guests.

use std::process::ExitCode;

use virtlogd::{command, daemon::Virtlogd};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    match arguments.next_if(|first| command::is_one(first)) {
        Some(name) => command::run(&name, arguments),
        None => virt_daemon::launch::<Virtlogd>(arguments),
    }
}
