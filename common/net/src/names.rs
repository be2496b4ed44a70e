//! Names of links.

use std::io;

/// Most numbers that are tried for a name.
const MOST: u32 = 8192;

/// Has a link made of the first name that nobody has: `kind` and a number.
///
/// # Errors
/// The name that was tried last, and why it could not be had.
pub(crate) fn first_free(
    kind: &str,
    add: impl Fn(&str) -> io::Result<()>,
) -> Result<String, (String, io::Error)> {
    for number in 0..MOST {
        let name = format!("{kind}{number}");
        match add(&name) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err((name, error)),
        }
    }
    Err((kind.to_owned(), io::ErrorKind::AlreadyExists.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_names_are_passed_over_and_other_failures_told() {
        let taken = |name: &str| match name {
            "macvtap0" | "macvtap1" => Err(io::ErrorKind::AlreadyExists.into()),
            _ => Ok(()),
        };
        assert_eq!(first_free("macvtap", taken).unwrap(), "macvtap2");
        let (name, error) =
            first_free("macvtap", |_| Err(io::ErrorKind::Unsupported.into())).unwrap_err();
        assert_eq!(
            (name.as_str(), error.kind()),
            ("macvtap0", io::ErrorKind::Unsupported)
        );
    }
}
