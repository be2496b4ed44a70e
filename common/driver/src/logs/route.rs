//! Which way the output of a guest goes.

use std::fs::File;
use std::path::Path;

use tokio::task::spawn_blocking;
use virt_daemon::conf::{ConfError, Document};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::logd::{Kind, Trouble};
use super::{GuestLog, Logd, Owner, file};

/// Who writes guests' logs (`stdio_handler`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handler {
    /// Nobody said: virtlogd, and where it is not there, files.
    #[default]
    LogdIfThere,
    /// virtlogd, and nothing starts without it.
    Logd,
    /// The guests themselves, into files.
    File,
}

impl Handler {
    /// As `stdio_handler` says in a driver's configuration.
    ///
    /// # Errors
    /// Names the line of what is neither of both.
    pub fn configured(file: &mut Document) -> Result<Self, ConfError> {
        let line = file.line("stdio_handler");
        match file.text("stdio_handler")?.as_deref() {
            None => Ok(Self::LogdIfThere),
            Some("logd") => Ok(Self::Logd),
            Some("file") => Ok(Self::File),
            Some(word) => Err(file.error(
                line,
                format!("'stdio_handler' is \"{word}\"; it is \"logd\" or \"file\""),
            )),
        }
    }
}

/// What becomes of what is in a file already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is kept; what comes follows it.
    GoesOn,
    /// It goes, and its backups.
    Goes,
}

/// The way of one run of a guest: all its output goes the same.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Route {
    /// Into files that the daemon opens.
    #[default]
    File,
    /// Through pipes of virtlogd.
    Logd {
        /// Which one.
        logd: Logd,
        /// Whose output it is.
        owner: Owner,
    },
}

/// How guests' output is logged on this host.
#[derive(Debug)]
pub struct Logs {
    handler: Handler,
    logd: Logd,
}

impl Logs {
    /// As the configuration says, with virtlogd there.
    pub fn new(handler: Handler, logd: Logd) -> Self {
        Self { handler, logd }
    }

    /// Begins the main log of a run: the log, and what the guest's process gets as its output.
    ///
    /// # Errors
    /// SYSTEM_ERROR naming virtlogd's socket and the remedy where it has to be there and is not,
    /// OPERATION_TIMEOUT when it does not answer; what it or the system refuses.
    pub async fn begin(&self, owner: &Owner, path: &Path) -> Result<(GuestLog, File)> {
        let by_logd = match self.handler {
            Handler::File => None,
            _ => {
                let opened = self
                    .logd
                    .open(Kind::Main, owner, path, Existing::GoesOn)
                    .await;
                self.opened(owner, opened)?
            }
        };
        let (route, output) = match by_logd {
            Some(output) => (self.by_logd(owner), output),
            None => {
                let output = by_file(path, Existing::GoesOn).await?;
                let output = output.map_err(|cause| {
                    let what = format!("failed to open logfile {}", path.display());
                    Error::system(ErrorDomain::None, what, &cause)
                })?;
                (Route::File, output)
            }
        };
        Ok((GuestLog::new(route, owner.clone(), path), output))
    }

    fn opened(&self, owner: &Owner, opened: Result<File, Trouble>) -> Result<Option<File>> {
        match opened {
            Ok(output) => Ok(Some(output)),
            Err(Trouble::Away(why)) if self.handler == Handler::LogdIfThere => {
                tracing::warn!(
                    guest = %owner.name,
                    "the guest's output goes into files, which nobody keeps from growing: {why}"
                );
                Ok(None)
            }
            Err(trouble) => Err(trouble.into()),
        }
    }

    /// The main log of a run that was found; `through_logd` says which way its output goes.
    pub fn found(&self, owner: &Owner, path: &Path, through_logd: bool) -> GuestLog {
        let route = match through_logd {
            true => self.by_logd(owner),
            false => Route::File,
        };
        GuestLog::new(route, owner.clone(), path)
    }

    fn by_logd(&self, owner: &Owner) -> Route {
        Route::Logd {
            logd: self.logd.clone(),
            owner: owner.clone(),
        }
    }
}

impl Route {
    /// Whether virtlogd writes the files.
    pub fn is_logd(&self) -> bool {
        matches!(self, Self::Logd { .. })
    }

    /// What a character device's file is written through.
    ///
    /// # Errors
    /// SYSTEM_ERROR with what the system or virtlogd refuses, such as one file for two devices;
    /// OPERATION_TIMEOUT when virtlogd does not answer.
    pub async fn open(&self, path: &Path, existing: Existing) -> Result<File> {
        match self {
            Self::Logd { logd, owner } => Ok(logd.open(Kind::Other, owner, path, existing).await?),
            Self::File => by_file(path, existing).await?.map_err(|cause| {
                let what = format!("Unable to pre-create chardev file '{}'", path.display());
                Error::system(ErrorDomain::None, what, &cause)
            }),
        }
    }
}

async fn by_file(path: &Path, existing: Existing) -> Result<std::io::Result<File>> {
    let path = path.to_owned();
    let opened = spawn_blocking(move || file::open(&path, existing)).await;
    opened.map_err(|_| fault())
}

pub(super) fn fault() -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::None,
        "writing a log ended by a fault of the daemon's own",
    )
}
