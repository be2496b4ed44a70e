//! A guest's persistent definition as it is kept in memory.
//!
//! What is kept is its text, as it is in the file, and a few numbers. Ten thousand guests then
//! cost little more than the sum of their files; the model, several times as large, is made
//! when someone asks for more than the numbers say and lives as long as someone uses it. Keeping
//! the text on disk alone would save as much again, but every look at a guest would then wait
//! for the disk and a file changed by hand would be seen half.

mod scan;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use uuid::Uuid;
use virt_domain::{Domain, View};
use virt_error::Result;

use scan::scan;
pub use scan::{DiskSummary, Summary};

/// A definition: its text and what lists need of it.
#[derive(Debug)]
pub struct Definition {
    text: Box<str>,
    summary: Summary,
    /// The text is what the model writes: with passwords, nothing of a running guest.
    is_written: bool,
    /// The model, while someone uses it.
    model: Mutex<Weak<Domain>>,
}

impl Definition {
    /// A definition as it was found in a file, without the comment on top; its name and UUID.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn found(file: &str) -> Result<(Arc<str>, Uuid, Self), String> {
        Self::scanned(without_comments(file).into(), false)
    }

    /// The definition of a guest as the model has it; what only a running guest has is left out.
    ///
    /// # Errors
    /// INTERNAL_ERROR when the text the model writes is no definition: a defect of the model.
    pub fn new(mut domain: Domain) -> Result<Self> {
        domain.inactive();
        let text = domain.to_xml(View {
            secure: true,
            ..View::default()
        });
        let (_, _, definition) = Self::scanned(text.into(), true).map_err(|what| {
            virt_error::Error::new(
                virt_error::ErrorCode::InternalError,
                virt_error::ErrorDomain::Domain,
                format!(
                    "the definition of guest '{}' cannot be kept: {what}",
                    domain.name
                ),
            )
        })?;
        Ok(definition)
    }

    fn scanned(text: Box<str>, is_written: bool) -> Result<(Arc<str>, Uuid, Self), String> {
        let scanned = scan(&text)?;
        let definition = Self {
            text,
            summary: scanned.summary,
            is_written,
            model: Mutex::default(),
        };
        Ok((scanned.name.into(), scanned.uuid, definition))
    }

    /// The guest as the model has it: read from the text unless someone has it already.
    ///
    /// # Errors
    /// What the model does not know or what is wrong, by name: a file may have been written by
    /// another version or by hand.
    pub fn domain(&self) -> Result<Arc<Domain>> {
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(domain) = model.upgrade() {
            return Ok(domain);
        }
        let domain = Arc::new(Domain::read(&self.text)?);
        *model = Arc::downgrade(&domain);
        Ok(domain)
    }

    /// The definition as a document for a client, with passwords if `secure`.
    ///
    /// # Errors
    /// As [`Self::domain`], unless the text can be shown as it is.
    pub fn to_xml(&self, secure: bool, migratable: bool) -> Result<String> {
        let plain = (secure || !self.summary.has_secrets) && !migratable;
        if self.is_written && plain {
            return Ok(self.text.as_ref().to_owned());
        }
        match self.domain() {
            Ok(domain) => Ok(domain.to_xml(View {
                inactive: true,
                secure,
                migratable,
            })),
            // What the model does not know is still the user's to see.
            Err(_) if plain => Ok(self.text.as_ref().to_owned()),
            Err(error) => Err(error),
        }
    }

    /// What lists and bulk statistics say.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The text with its passwords.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What follows the comments on top.
fn without_comments(file: &str) -> &str {
    let mut rest = file.trim_start();
    while let Some((_, behind)) = rest.strip_prefix("<!--").and_then(|r| r.split_once("-->")) {
        rest = behind.trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_of_the_file_is_not_part_of_the_definition() {
        let text =
            "<domain><name>a</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid></domain>\n";
        let file = format!("<!--\nWARNING\n-->\n\n{text}");
        let (name, _, definition) = Definition::found(&file).unwrap();
        assert_eq!(&*name, "a");
        assert_eq!(definition.text(), text);
        assert!(Definition::found("<!-- only a comment").is_err());
    }
}
