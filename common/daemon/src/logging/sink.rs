//! An open output.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::settings::{Output, Target};

/// Where finished messages are written. A message that can't be written is lost: there is nobody
/// left to tell.
pub(super) enum Sink {
    Stderr,
    File(File),
    Journald(Box<tracing_journald::Layer>),
}

impl Sink {
    pub(super) fn open(daemon: &str, output: &Output) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("log output '{output}' can't be opened: {e}");
        match &output.target {
            Target::Stderr => Ok(Self::Stderr),
            Target::File(path) => OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)
                .map(Self::File)
                .map_err(failed),
            Target::Journald => tracing_journald::layer()
                .map(|layer| {
                    let layer = layer.with_syslog_identifier(daemon.to_owned());
                    Self::Journald(Box::new(layer.with_field_prefix(None)))
                })
                .map_err(failed),
        }
    }

    /// Writes one line; the journal takes events, not lines.
    pub(super) fn line(&self, line: &[u8]) {
        let _ = match self {
            Self::Stderr => std::io::stderr().lock().write_all(line),
            Self::File(file) => (&*file).write_all(line),
            Self::Journald(_) => Ok(()),
        };
    }
}
