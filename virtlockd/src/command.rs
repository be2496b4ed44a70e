//! What a person asks of the daemon: `virtlockd leases`, `virtlockd break`.

mod breaking;
mod connection;
mod listing;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// Whether the first argument is a command rather than an option of the daemon.
pub fn is_one(first: &OsStr) -> bool {
    first == "leases" || first == "break"
}

/// Runs it; what went wrong is told on standard error.
pub fn run(name: &OsStr, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let result = match name == "leases" {
        true => listing::run(arguments),
        false => breaking::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("virtlockd: {text}");
            ExitCode::FAILURE
        }
    }
}
