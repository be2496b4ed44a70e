//! The program that packs or unpacks QEMU's stream on its way.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::Format;

/// A packer at work, between QEMU and the file.
#[derive(Debug)]
pub(super) struct Packer {
    child: Child,
    name: &'static str,
}

/// Starts the program that packs into `file`; QEMU writes to what is returned. Raw images need none.
///
/// # Errors
/// OPERATION_FAILED that names the program.
pub(super) fn pack(format: Format, file: OwnedFd) -> Result<(OwnedFd, Option<Packer>)> {
    if format == Format::Raw {
        return Ok((file, None));
    }
    let (read, write) = io::pipe().map_err(no_pipe)?;
    let packer = start(format, &["-c"], read.into(), file)?;
    Ok((write.into(), Some(packer)))
}

/// Starts the program that unpacks `file`; QEMU reads from what is returned.
///
/// # Errors
/// As [`pack`].
pub(super) fn unpack(format: Format, file: OwnedFd) -> Result<(OwnedFd, Option<Packer>)> {
    if format == Format::Raw {
        return Ok((file, None));
    }
    let (read, write) = io::pipe().map_err(no_pipe)?;
    let packer = start(format, &["-dc"], file, write.into())?;
    Ok((read.into(), Some(packer)))
}

fn no_pipe(cause: io::Error) -> Error {
    Error::system(ErrorDomain::Qemu, "unable to create a pipe", &cause)
}

fn start(format: Format, arguments: &[&str], input: OwnedFd, output: OwnedFd) -> Result<Packer> {
    let name = format.word();
    let child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .stderr(Stdio::null())
        .spawn()
        .map_err(|cause| {
            failed(format!(
                "the program '{name}' for save images can't be started: {cause}; install it or set 'save_image_format' in qemu.conf to \"raw\""
            ))
        })?;
    Ok(Packer { child, name })
}

fn failed(text: String) -> Error {
    Error::new(ErrorCode::OperationFailed, ErrorDomain::Qemu, text)
}

impl Packer {
    /// Waits until all is through. Blocks.
    ///
    /// # Errors
    /// OPERATION_FAILED when the program failed, such as on a full disk.
    pub(super) fn finish(mut self) -> Result<()> {
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(format!("'{}' ended with {status}", self.name))),
            Err(cause) => Err(failed(format!(
                "'{}' can't be waited for: {cause}",
                self.name
            ))),
        }
    }
}
