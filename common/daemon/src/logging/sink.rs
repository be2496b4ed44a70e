//! An open output.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::journal::{self, Journal};
use super::line::{Told, push_line};
use super::settings::{Output, Target};
use super::syslog::{self, Syslog};

/// Where records are written.
#[derive(Debug)]
pub(super) enum Sink {
    Stderr,
    File(File),
    Journald(Journal),
    Syslog(Syslog),
    /// What goes there waits in [`super::Outgoing`].
    Virtlogd,
}

impl Sink {
    pub(super) fn open(daemon: &'static str, output: &Output) -> Result<Self, String> {
        let failed = |e: io::Error| format!("log output '{output}' can't be opened: {e}");
        match &output.target {
            Target::Stderr => Ok(Self::Stderr),
            Target::File(path) => OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)
                .map(Self::File)
                .map_err(failed),
            Target::Journald => Journal::open(daemon, Path::new(journal::SOCKET))
                .map(Self::Journald)
                .map_err(failed),
            Target::Syslog(ident) => Syslog::open(ident, Path::new(syslog::SOCKET))
                .map(Self::Syslog)
                .map_err(failed),
            Target::Virtlogd => Ok(Self::Virtlogd),
        }
    }

    /// Writes records, and says how many could not be: there is nobody left to tell of them here.
    pub(super) fn write<'a>(&self, all: impl Iterator<Item = Told<'a>>) -> u64 {
        let lost = |written: io::Result<()>| u64::from(written.is_err());
        match self {
            Self::Stderr => text(&mut io::stderr().lock(), all),
            Self::File(file) => text(&mut &*file, all),
            Self::Journald(journal) => all.map(|told| lost(journal.write(told))).sum(),
            Self::Syslog(syslog) => all.map(|told| lost(syslog.write(told))).sum(),
            Self::Virtlogd => 0,
        }
    }
}

/// All as one write, so that the kernel keeps them together.
fn text<'a>(to: &mut impl Write, all: impl Iterator<Item = Told<'a>>) -> u64 {
    let mut lines = String::new();
    let mut count = 0;
    for told in all {
        push_line(&mut lines, told);
        count += 1;
    }
    match to.write_all(lines.as_bytes()) {
        Ok(()) => 0,
        Err(_) => count,
    }
}
