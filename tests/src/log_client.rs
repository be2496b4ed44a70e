//! A client of the log program: what a driver says for its guests.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use tokio::runtime::{Builder, Runtime};
use virt_error::Result;
use virt_rpc::client::Connection;
use virt_rpc::protocol::log::*;
use virt_rpc::xdr::ByteString;

/// A connection of the log program.
pub struct LogClient {
    runtime: Runtime,
    connection: Connection,
}

impl LogClient {
    /// Connects.
    ///
    /// # Panics
    /// When that fails.
    pub fn connect(socket: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime
            .block_on(Connection::connect(socket))
            .expect("connect");
        Self {
            runtime,
            connection,
        }
    }

    /// Opens a log: where it begins, and the end of the pipe.
    pub fn open(&self, path: &Path, flags: u32) -> Result<(LogFilePosition, File)> {
        let args = DomainOpenLogFileArgs {
            driver: "qemu".to_owned(),
            dom: domain(),
            path: path.to_string_lossy().into_owned(),
            flags,
        };
        let call = self
            .connection
            .call_with_fds::<DomainOpenLogFile>(&args, Vec::new());
        let (ret, descriptors) = self.runtime.block_on(call)?;
        let [pipe]: [OwnedFd; 1] = descriptors.try_into().expect("one descriptor");
        Ok((ret.pos, File::from(pipe)))
    }

    /// Where the next byte goes.
    pub fn position(&self, path: &Path) -> Result<LogFilePosition> {
        let args = DomainGetLogFilePositionArgs {
            path: path.to_string_lossy().into_owned(),
            flags: 0,
        };
        let call = self.connection.call::<DomainGetLogFilePosition>(&args);
        Ok(self.runtime.block_on(call)?.pos)
    }

    /// What is there from a place on.
    pub fn read(&self, path: &Path, pos: &LogFilePosition, maxlen: u64) -> Result<String> {
        let args = DomainReadLogFileArgs {
            path: path.to_string_lossy().into_owned(),
            pos: pos.clone(),
            maxlen,
            flags: 0,
        };
        let call = self.connection.call::<DomainReadLogFile>(&args);
        let data = self.runtime.block_on(call)?.data;
        Ok(String::from_utf8_lossy(&data.0).into_owned())
    }

    /// Appends a text.
    pub fn append(&self, path: &Path, message: &str) -> Result<()> {
        let args = DomainAppendLogFileArgs {
            driver: "qemu".to_owned(),
            dom: domain(),
            path: path.to_string_lossy().into_owned(),
            message: ByteString(message.as_bytes().to_vec()),
            flags: 0,
        };
        let call = self.connection.call::<DomainAppendLogFile>(&args);
        self.runtime.block_on(call).map(drop)
    }
}

fn domain() -> Domain {
    Domain {
        uuid: [7; 16],
        name: "web".to_owned(),
    }
}

/// Whether someone listens.
pub fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}
