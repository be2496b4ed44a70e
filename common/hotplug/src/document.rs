//! The document of one device.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Unknown};

/// Reads one.
///
/// # Errors
/// What is wrong with the document; CONFIG_UNSUPPORTED naming what of it nobody knows.
pub(crate) fn read<E: Element>(xml: &str) -> Result<E> {
    let (element, unknown) = virt_xml::read(xml)?;
    match unknown.first() {
        None => Ok(element),
        Some(Unknown::Element(path)) => Err(unsupported(format!("<{path}> is not supported"))),
        Some(Unknown::Attribute(path, name)) => Err(unsupported(format!(
            "attribute '{name}' of <{path}> is not supported"
        ))),
        Some(Unknown::Text(path)) => Err(unsupported(format!("text in <{path}> is not supported"))),
    }
}

fn unsupported(what: String) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Domain, what)
}
