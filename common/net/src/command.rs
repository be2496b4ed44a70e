//! Running a program of the host to set up a link.

use std::process::{Command, Stdio};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Most bytes of what a program says that are told.
const MOST: usize = 1024;

/// Runs it to its end. Blocks.
///
/// # Errors
/// SYSTEM_ERROR where it is not installed, INTERNAL_ERROR with its own words when it fails.
pub(crate) fn run(program: &str, arguments: &[String]) -> Result<()> {
    let ran = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|cause| {
            let what = format!("cannot execute binary {program}");
            Error::system(ErrorDomain::None, what, &cause)
        })?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let said: String = said.trim().chars().take(MOST).collect();
    Err(Error::new(
        ErrorCode::InternalError,
        ErrorDomain::None,
        format!(
            "Child process ({program} {}) unexpected {}: {said}",
            arguments.join(" "),
            ran.status
        ),
    ))
}
