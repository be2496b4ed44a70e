//! Reading and writing the kernel's files of one group, with the stock daemon's words for what fails.

use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::Controller;

/// No file of a group is longer that has something for us; device lists grow with the devices.
const MAX_LENGTH: u64 = 1 << 20;

/// Writes one value in one call, as the kernel takes it.
///
/// # Errors
/// SYSTEM_ERROR with file and value.
pub(crate) fn write(folder: &Path, name: &str, value: &str) -> Result<()> {
    let path = folder.join(name);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&path);
    let written = file.and_then(|mut file| file.write_all(value.as_bytes()));
    written.map_err(|cause| refused(&path, value, &cause))
}

/// What a value that the kernel did not take is answered with.
pub(crate) fn refused(path: &Path, value: &str, cause: &io::Error) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let what = match cause.kind() {
        ErrorKind::InvalidInput => format!("Invalid value '{value}' for '{name}'"),
        _ => format!("Unable to write to '{}'", path.display()),
    };
    Error::system(ErrorDomain::Cgroup, what, cause)
}

/// Reads a value, without the line's end.
///
/// # Errors
/// SYSTEM_ERROR with the file.
pub(crate) fn read(folder: &Path, name: &str) -> Result<String> {
    let path = folder.join(name);
    let mut text = String::new();
    let file = std::fs::File::open(&path);
    let read = file.and_then(|file| file.take(MAX_LENGTH).read_to_string(&mut text));
    match read {
        Ok(_) => {
            text.truncate(text.trim_end().len());
            Ok(text)
        }
        Err(cause) => {
            let what = format!("Unable to read from '{}'", path.display());
            Err(Error::system(ErrorDomain::Cgroup, what, &cause))
        }
    }
}

/// What a group is answered with that the controller does not act on.
pub(crate) fn absent(controller: Controller) -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Cgroup,
        format!("the group has no controller '{}'", controller.name()),
    )
}

/// The number that a file's text is.
///
/// # Errors
/// INTERNAL_ERROR when it is none.
pub(crate) fn number(text: &str) -> Result<u64> {
    text.trim().parse().map_err(|_| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Cgroup,
            format!("Unable to parse '{text}' as an integer"),
        )
    })
}

/// The number that stands behind a word in a file of lines `WORD NUMBER`.
pub(crate) fn keyed(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == word).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_refuses_is_named() {
        let path = Path::new("/sys/fs/cgroup/cpu/a/cpu.shares");
        let error = refused(path, "1", &io::Error::from_raw_os_error(22));
        assert_eq!(
            error.message(),
            "Invalid value '1' for 'cpu.shares': Invalid argument"
        );
        let error = refused(path, "1", &io::Error::from_raw_os_error(13));
        assert_eq!(
            error.message(),
            "Unable to write to '/sys/fs/cgroup/cpu/a/cpu.shares': Permission denied"
        );
    }

    #[test]
    fn numbers_are_found_by_their_word() {
        let text = "usage_usec 12\nuser_usec 7\nsystem_usec 5\n";
        assert_eq!(keyed(text, "user_usec"), Some(7));
        assert_eq!(keyed(text, "user"), None);
    }
}
