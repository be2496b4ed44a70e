//! What a person who writes rules asks of the daemon and of its tables.

mod actions;
mod check;
mod connection;
mod lint;
mod object;
mod reload;
mod stand_in;
mod trace;
mod who_can;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// How a command ended that could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The answer is yes; or there was nothing to answer.
    Well,
    /// The answer is no, or what was looked at is wrong.
    No,
}

type Command = fn(Vec<OsString>) -> Result<Ended, String>;

const COMMANDS: &[(&str, Command)] = &[
    ("check", check::run),
    ("who-can", who_can::run),
    ("trace", trace::run),
    ("lint", lint::run),
    ("actions", actions::run),
    ("reload", reload::run),
    (stand_in::NAME, stand_in::run),
];

/// Whether the first argument is a command rather than an option of the daemon.
pub fn is_one(first: &OsStr) -> bool {
    COMMANDS.iter().any(|(name, _)| first == *name)
}

/// Runs it: 0 for yes, 1 for no, 2 when it can't be said, with why on standard error.
pub fn run(name: &OsStr, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let found = COMMANDS.iter().find(|(known, _)| name == *known);
    match found.map(|(_, command)| command(arguments.collect())) {
        Some(Ok(Ended::Well)) => ExitCode::SUCCESS,
        Some(Ok(Ended::No)) | None => ExitCode::from(1),
        Some(Err(text)) => {
            eprintln!("virtacld: {text}");
            ExitCode::from(2)
        }
    }
}
