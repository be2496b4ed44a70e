//! The error structure, the same in every program (WIRE.md section 4).

use virt_error::{Error, Level};

use super::remote::{NonnullDomain, NonnullNetwork};
use crate::xdr::Xdr;

/// An error on the wire.
#[derive(Debug, Clone, PartialEq, Xdr)]
#[xdr(name = "Error")]
pub struct RemoteError {
    /// The error number; never 0.
    pub code: i32,
    /// The component that raised it.
    pub domain: i32,
    /// The whole sentence.
    pub message: Option<String>,
    /// How bad it is; servers send 2.
    pub level: i32,
    /// Never sent any more.
    pub dom: Option<NonnullDomain>,
    /// The phrase with its placeholder.
    pub str1: Option<String>,
    /// What was put into the phrase.
    pub str2: Option<String>,
    /// Unused.
    pub str3: Option<String>,
    /// errno of a system error.
    pub int1: i32,
    /// Unused.
    pub int2: i32,
    /// Never sent any more.
    pub net: Option<NonnullNetwork>,
}

impl From<&Error> for RemoteError {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code_number(),
            domain: error.domain_number(),
            message: Some(error.message().to_owned()),
            level: Level::Error as i32,
            dom: None,
            str1: error.template().map(str::to_owned),
            str2: error.detail().map(str::to_owned),
            str3: None,
            int1: error.errno().unwrap_or(0),
            int2: 0,
            net: None,
        }
    }
}

impl From<RemoteError> for Error {
    fn from(error: RemoteError) -> Self {
        Self::from_wire(
            error.code,
            error.domain,
            error.message.unwrap_or_default(),
            error.str1,
            error.str2,
            (error.int1 != 0).then_some(error.int1),
        )
    }
}
