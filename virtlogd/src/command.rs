//! What a person asks of what is kept, and of the daemon that runs.

mod query;
mod stats;
mod tail;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

type Command = fn(Vec<OsString>) -> Result<(), String>;

const COMMANDS: &[(&str, Command)] = &[
    ("query", query::run),
    ("stats", stats::run),
    ("tail", tail::run),
];

/// Whether the first argument is a command rather than an option of the daemon.
pub fn is_one(first: &OsStr) -> bool {
    COMMANDS.iter().any(|(name, _)| first == *name)
}

/// Runs it: 0 when that went well, 1 otherwise, with why on standard error.
pub fn run(name: &OsStr, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let found = COMMANDS.iter().find(|(known, _)| name == *known);
    match found.map(|(_, command)| command(arguments.collect())) {
        Some(Ok(())) | None => ExitCode::SUCCESS,
        Some(Err(text)) => {
            eprintln!("virtlogd: {text}");
            ExitCode::FAILURE
        }
    }
}
