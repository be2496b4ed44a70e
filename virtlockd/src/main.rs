//! libvirt-compatible daemon for disk leases.

use std::process::ExitCode;

use virtlockd::{command, daemon::Virtlockd, files};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments
        .next_if(|first| first == files::ARGUMENT)
        .is_some()
    {
        return match files::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("virtlockd {}: {e}", files::ARGUMENT);
                ExitCode::FAILURE
            }
        };
    }
    match arguments.next_if(|first| command::is_one(first)) {
        Some(name) => command::run(&name, arguments),
        None => virt_daemon::launch::<Virtlockd>(arguments),
    }
}
