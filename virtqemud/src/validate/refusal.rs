//! Refusals by kind.

use virt_error::{Error, ErrorCode, ErrorDomain};

/// CONFIG_UNSUPPORTED.
pub(super) fn unsupported(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Qemu, text)
}

/// XML_ERROR.
pub(super) fn xml_error(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Qemu, text)
}

/// A sentence without a phrase in front (XML_DETAIL).
pub(super) fn plain(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlDetail, ErrorDomain::Qemu, text)
}
