//! Whose a document is, before anything else of it is looked at.

use uuid::Uuid;
use virt_error::Result;

/// The name and the UUID in a guest's document; both are read again, and checked, once its author may
/// make such a guest. A document without a name has the empty one, which is refused then.
///
/// # Errors
/// What is no XML.
pub(super) fn identity(document: &str) -> Result<(String, Option<Uuid>)> {
    let tree = virt_xml::parse(document)?;
    let text = |name| tree.element(name).map(|element| element.text());
    let uuid = text("uuid").and_then(|uuid| Uuid::try_parse(uuid.trim()).ok());
    Ok((text("name").unwrap_or_default(), uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_its_own_name() {
        let document = "<domain><metadata><name>x</name></metadata><name>a&amp;b</name>\
                        <uuid> 6695eb01-f6a4-8304-79aa-97f2502e193f</uuid></domain>";
        let (name, uuid) = identity(document).unwrap();
        assert_eq!(name, "a&b");
        assert!(uuid.is_some());
        assert_eq!(identity("<domain/>").unwrap(), (String::new(), None));
        assert!(identity("<domain>").is_err());
    }
}
