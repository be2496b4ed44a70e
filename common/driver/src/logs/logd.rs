//! virtlogd as a driver asks it: ours or libvirt's (WIRE.md section 17).

use std::fs::File;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::libc;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::client::Connection;
use virt_rpc::protocol::log::open_flag::TRUNCATE;
use virt_rpc::protocol::log::{
    DomainAppendLogFile, DomainAppendLogFileArgs, DomainGetLogFilePosition,
    DomainGetLogFilePositionArgs, DomainOpenLogFile, DomainOpenLogFileArgs, DomainReadLogFile,
    DomainReadLogFileArgs, LogFilePosition,
};
use virt_rpc::xdr::ByteString;

use super::{Existing, Owner};

/// How long one question may take: a start waits for it, and the end of a guest.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a log that was written by the guest's last run may still count as open. libvirt's virtlogd
/// learns of its end a moment later than we do.
const CLOSING: Duration = Duration::from_millis(200);
const CLOSING_STEP: Duration = Duration::from_millis(10);

/// virtlogd. Nothing is kept of a connection: a virtlogd that is replaced or started again is asked
/// all the same, and one that ends when it is idle can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logd {
    socket: Arc<Path>,
    /// The driver that asks.
    driver: &'static str,
}

/// What a log is to its driver, which virtlogd is told with the driver's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A guest's main log: the name is in capital letters (WIRE.md section 17).
    Main,
    /// A character device, or lines of the driver's own.
    Other,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nobody is there to answer.
    Away(Error),
    /// virtlogd says so.
    Refused(Error),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(error) | Trouble::Refused(error) => error,
        }
    }
}

impl Logd {
    /// The one at that socket, as it is asked by that driver: `qemu`, `lxc`.
    pub fn new(socket: PathBuf, driver: &'static str) -> Self {
        Self {
            socket: socket.into(),
            driver,
        }
    }

    fn name(&self, kind: Kind) -> String {
        match kind {
            Kind::Main => self.driver.to_ascii_uppercase(),
            Kind::Other => self.driver.to_owned(),
        }
    }

    /// Begins a log: the end of the pipe that is written to.
    pub(super) async fn open(
        &self,
        kind: Kind,
        owner: &Owner,
        path: &Path,
        existing: Existing,
    ) -> Result<File, Trouble> {
        let args = DomainOpenLogFileArgs {
            driver: self.name(kind),
            dom: owner.clone(),
            path: text(path)?,
            flags: match existing {
                Existing::Goes => TRUNCATE,
                Existing::GoesOn => 0,
            },
        };
        let begun = tokio::time::Instant::now();
        loop {
            let asked = self.ask(async |connection: Connection| {
                let args = &args;
                connection
                    .call_with_fds::<DomainOpenLogFile>(args, Vec::new())
                    .await
            });
            match asked.await {
                Err(Trouble::Refused(busy))
                    if busy.errno() == Some(libc::EBUSY) && begun.elapsed() < CLOSING =>
                {
                    tokio::time::sleep(CLOSING_STEP).await;
                }
                Err(trouble) => return Err(trouble),
                Ok((_, descriptors)) => {
                    let mut descriptors = descriptors.into_iter();
                    let pipe: Option<OwnedFd> = descriptors.next();
                    return pipe.map(File::from).ok_or_else(|| {
                        let text = "virtlogd gave no pipe for the log";
                        let error = Error::new(ErrorCode::InternalError, ErrorDomain::Rpc, text);
                        Trouble::Refused(error)
                    });
                }
            }
        }
    }

    /// Where the next byte of a log that is open goes, once all that is in its pipe is written.
    pub(super) async fn position(&self, path: &Path) -> Result<LogFilePosition, Trouble> {
        let path = text(path)?;
        let args = DomainGetLogFilePositionArgs { path, flags: 0 };
        let answer = self.ask(async |connection: Connection| {
            connection.call::<DomainGetLogFilePosition>(&args).await
        });
        Ok(answer.await?.pos)
    }

    /// What is in a log from a place on, backups included, up to the first NUL; at most `most` bytes.
    pub(super) async fn read(
        &self,
        path: &Path,
        from: &LogFilePosition,
        most: u64,
    ) -> Result<Vec<u8>, Trouble> {
        let args = DomainReadLogFileArgs {
            path: text(path)?,
            pos: from.clone(),
            maxlen: most,
            flags: 0,
        };
        let answer = self
            .ask(async |connection: Connection| connection.call::<DomainReadLogFile>(&args).await);
        Ok(answer.await?.data.0)
    }

    /// Appends a text to a log, open or not.
    pub(super) async fn append(
        &self,
        owner: &Owner,
        path: &Path,
        message: &str,
    ) -> Result<(), Trouble> {
        let args = DomainAppendLogFileArgs {
            driver: self.name(Kind::Other),
            dom: owner.clone(),
            path: text(path)?,
            message: ByteString(message.as_bytes().to_vec()),
            flags: 0,
        };
        let answer = self.ask(async |connection: Connection| {
            connection.call::<DomainAppendLogFile>(&args).await
        });
        answer.await.map(drop)
    }

    async fn ask<T, F>(&self, call: impl FnOnce(Connection) -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T>>,
    {
        let asked = async {
            let connection = Connection::connect(&self.socket).await;
            let connection = connection.map_err(|error| Trouble::Away(self.away(&error)))?;
            call(connection.clone()).await.map_err(|error| {
                match connection.is_closed() && error.is(ErrorCode::Rpc) {
                    true => Trouble::Away(self.away(&error)),
                    false => Trouble::Refused(error),
                }
            })
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(answered) => answered,
            Err(_) => {
                let text = format!(
                    "virtlogd at '{}' did not answer within {} seconds; look whether it hangs",
                    self.socket.display(),
                    PATIENCE.as_secs()
                );
                let error = Error::new(ErrorCode::OperationTimeout, ErrorDomain::Rpc, text);
                Err(Trouble::Away(error))
            }
        }
    }

    fn away(&self, error: &Error) -> Error {
        // SYSTEM_ERROR has no phrase before its detail. The socket is named in most of them.
        let socket = self.socket.display();
        let at = match error.message().contains(&*socket.to_string()) {
            true => String::new(),
            false => format!(" (virtlogd at '{socket}')"),
        };
        Error::new(
            ErrorCode::SystemError,
            ErrorDomain::Rpc,
            format!(
                "{error}{at}: guests' output can't be logged without virtlogd; start it \
                 (systemctl start virtlogd.socket), or set stdio_handler = \"file\" in {}.conf to \
                 do without",
                self.driver
            ),
        )
    }
}

fn text(path: &Path) -> Result<String, Trouble> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let text = format!("the path of the log '{}' is not UTF-8", path.display());
        Trouble::Refused(Error::new(ErrorCode::InvalidArg, ErrorDomain::Rpc, text))
    })
}
