//! Short ways to the errors that reading a guest ends with. Codes and texts follow the stock
//! daemon's answers to the same documents.

use virt_error::{Error, ErrorCode, ErrorDomain};

/// The document says something that can't be.
pub(crate) fn xml(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, detail)
}

/// The document asks for something that isn't known or can't be had.
pub(crate) fn unsupported(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, detail)
}

/// Where libvirt, for historical reasons, blames itself.
pub(crate) fn internal(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Domain, detail)
}

/// A bad value where libvirt says "invalid argument".
pub(crate) fn invalid_argument(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Domain, detail)
}

/// The document isn't of the form that the schema describes, where the stock library leaves the
/// answer to that.
pub(crate) fn invalid_schema(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlInvalidSchema, ErrorDomain::Domain, detail)
}
