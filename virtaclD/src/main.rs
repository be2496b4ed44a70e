//! libvirt-compatible daemon that decides who may do what to which guest.

use std::process::ExitCode;

use virtacld::{command, daemon::Virtacld};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    match arguments.next_if(|first| command::is_one(first)) {
        Some(name) => command::run(&name, arguments),
        None => virt_daemon::launch::<Virtacld>(arguments),
    }
}
