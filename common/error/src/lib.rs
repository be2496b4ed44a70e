//! libvirt's errors: a number, the component that raised it, a level and a sentence.
//!
//! Every refusal in the workspace is one of these, so that what a client prints names the thing
//! and the remedy. Facts: WIRE.md section 4 and `errors.json`.

mod code;
mod domain;

pub use code::ErrorCode;
pub use domain::ErrorDomain;

use std::fmt;

/// The result of everything that can be refused.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How bad it is; servers send [`Level::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Level {
    /// Nothing happened.
    None = 0,
    /// A warning.
    Warning = 1,
    /// An error.
    Error = 2,
}

/// One error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Fields>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    code: i32,
    domain: i32,
    message: String,
    template: Option<String>,
    detail: Option<String>,
    errno: Option<i32>,
}

impl Error {
    /// An error whose message is the code's phrase followed by `detail`.
    ///
    /// For the codes SYSTEM_ERROR, RPC, GNUTLS and XML_DETAIL the message is the detail alone
    /// (WIRE.md section 4).
    pub fn new(code: ErrorCode, domain: ErrorDomain, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self(Box::new(Fields {
            code: code.number(),
            domain: domain.number(),
            message: code.template().replacen("%s", &detail, 1),
            template: Some(code.template().to_owned()),
            detail: Some(detail),
            errno: None,
        }))
    }

    /// An error that says no more than the code's phrase.
    pub fn bare(code: ErrorCode, domain: ErrorDomain) -> Self {
        Self(Box::new(Fields {
            code: code.number(),
            domain: domain.number(),
            message: code.phrase().to_owned(),
            template: None,
            detail: None,
            errno: None,
        }))
    }

    /// SYSTEM_ERROR: `what` was being done when the system call failed; the text of the system's
    /// error is appended and its number sent along.
    pub fn system(domain: ErrorDomain, what: impl fmt::Display, cause: &std::io::Error) -> Self {
        let errno = cause.raw_os_error();
        // The standard library appends " (os error N)"; the C library's text does not.
        let text = cause.to_string();
        let text = text.split(" (os error").next().unwrap_or(&text);
        let mut error = Self::new(ErrorCode::SystemError, domain, format!("{what}: {text}"));
        error.0.errno = errno;
        error
    }

    /// An error received from a peer, kept as it is, unknown numbers included.
    pub fn from_wire(
        code: i32,
        domain: i32,
        message: String,
        template: Option<String>,
        detail: Option<String>,
        errno: Option<i32>,
    ) -> Self {
        Self(Box::new(Fields {
            code,
            domain,
            message,
            template,
            detail,
            errno,
        }))
    }

    /// The error number on the wire.
    pub fn code_number(&self) -> i32 {
        self.0.code
    }

    /// The error number, unless a peer sent one we don't know.
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::from_number(self.0.code)
    }

    /// The component's number on the wire.
    pub fn domain_number(&self) -> i32 {
        self.0.domain
    }

    /// The whole sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The phrase with its placeholder (`str1` on the wire).
    pub fn template(&self) -> Option<&str> {
        self.0.template.as_deref()
    }

    /// What was put into the phrase (`str2` on the wire).
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// errno of a SYSTEM_ERROR (`int1` on the wire).
    pub fn errno(&self) -> Option<i32> {
        self.0.errno
    }

    /// Whether this is an error of that kind.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.0.code == code.number()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_the_phrase_and_the_detail() {
        let error = Error::new(
            ErrorCode::NoDomain,
            ErrorDomain::Qemu,
            "no domain with that name",
        );
        assert_eq!(
            error.message(),
            "Domain not found: no domain with that name"
        );
        assert_eq!((error.code_number(), error.domain_number()), (42, 10));
    }

    #[test]
    fn a_system_error_ends_with_the_systems_own_text() {
        let cause = std::io::Error::from_raw_os_error(2);
        let error = Error::system(ErrorDomain::Rpc, "Failed to open '/x'", &cause);
        assert_eq!(
            error.message(),
            "Failed to open '/x': No such file or directory"
        );
        assert_eq!(error.errno(), Some(2));
    }
}
