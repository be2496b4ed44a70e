//! Text to tree, with bounds. Document types are refused, so no entity is ever expanded beyond the
//! five of XML itself.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::tree::{Content, Tree};

/// Deepest nesting of elements.
pub const MAX_DEPTH: usize = 256;

/// Most elements in one document.
pub const MAX_ELEMENTS: usize = 100_000;

/// Longest document, in bytes: twice what fits into a call, for what was accepted grows by what is
/// filled in.
pub const MAX_LENGTH: usize = 8 << 20;

/// Most attributes of one element; that none is there twice is checked one by one.
pub const MAX_ATTRIBUTES: usize = 256;

/// Namespaces whose prefix is made the customary one.
const KNOWN_NAMESPACES: &[(&str, &str)] = &[
    ("http://libvirt.org/schemas/domain/qemu/1.0", "qemu"),
    ("http://libvirt.org/schemas/domain/lxc/1.0", "lxc"),
];

/// The document in `text`.
///
/// # Errors
/// `XML_DETAIL` with line, cause and place when it is not well-formed, too deep or too large.
pub fn parse(text: &str) -> Result<Tree> {
    if text.len() > MAX_LENGTH {
        return Err(detail(format!(
            "a document of {} bytes is not accepted; at most {MAX_LENGTH} are",
            text.len()
        )));
    }
    if text.trim().is_empty() {
        return Err(detail("at line 1: Document is empty\n(null)\n^".to_owned()));
    }
    let mut parser = Parser {
        text,
        reader: Reader::from_str(text),
        open: Vec::new(),
        elements: 0,
        scopes: Vec::new(),
        verbatim: None,
    };
    parser.reader.config_mut().expand_empty_elements = false;
    parser.run()
}

fn detail(text: String) -> Error {
    Error::new(ErrorCode::XmlDetail, ErrorDomain::Xml, text)
}

struct Parser<'t> {
    text: &'t str,
    reader: Reader<&'t [u8]>,
    /// Elements that are not closed yet, with the place of their start tag.
    open: Vec<(Tree, usize)>,
    elements: usize,
    /// Declared prefixes with the depth they hold from and, of known namespaces, the customary prefix.
    /// No prefix is the default namespace.
    scopes: Vec<(usize, String, Option<&'static str>)>,
    /// Depth of the element whose content is somebody else's and keeps its names.
    verbatim: Option<usize>,
}

impl Parser<'_> {
    fn run(mut self) -> Result<Tree> {
        let mut root = None;
        loop {
            let at = self.position();
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.syntax_error(&error)),
            };
            let after_root =
                |this: &Self| this.error_at(at, "Extra content at the end of the document");
            match event {
                Event::Start(start) => {
                    if root.is_some() {
                        return Err(after_root(&self));
                    }
                    let tree = self.begin(&start, at)?;
                    self.open.push((tree, at));
                }
                Event::Empty(start) => {
                    if root.is_some() {
                        return Err(after_root(&self));
                    }
                    let tree = self.begin(&start, at)?;
                    self.end_scope(self.open.len());
                    self.close(tree, &mut root);
                }
                Event::End(_) => {
                    let Some((tree, _)) = self.open.pop() else {
                        return Err(after_root(&self));
                    };
                    self.end_scope(self.open.len());
                    self.close(tree, &mut root);
                }
                Event::Text(text) => {
                    let text = text.xml10_content();
                    self.add_text(&text, at)?;
                }
                Event::CData(text) => {
                    let text = text.xml10_content();
                    self.add_text(&text, at)?;
                }
                Event::GeneralRef(reference) => {
                    let text = match reference.resolve_char_ref() {
                        Ok(Some(c)) => c.to_string(),
                        Ok(None) => predefined(&reference.xml10_content())
                            .ok_or_else(|| {
                                let name = reference.xml10_content();
                                self.error_at(at, &format!("Entity '{name}' not defined"))
                            })?
                            .to_owned(),
                        Err(_) => {
                            return Err(self.error_at(at, "xmlParseCharRef: invalid xmlChar value"));
                        }
                    };
                    self.add_text(&text, at)?;
                }
                Event::DocType(_) => {
                    return Err(
                        self.error_at(at, "a document type is not accepted; remove DOCTYPE")
                    );
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if let Some((tree, at)) = self.open.pop() {
            let line = self.line(at);
            let what = format!("Premature end of data in tag {} line {line}", tree.name);
            return Err(self.error_at(self.text.len(), &what));
        }
        root.ok_or_else(|| self.error_at(0, "Start tag expected, '<' not found"))
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn begin(&mut self, start: &BytesStart<'_>, at: usize) -> Result<Tree> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(self.error_at(at, &format!("more than {MAX_ELEMENTS} elements")));
        }
        let depth = self.open.len();
        if depth >= MAX_DEPTH {
            return Err(self.error_at(at, &format!("elements nested deeper than {MAX_DEPTH}")));
        }
        let mut attributes: Vec<(String, String)> = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|e| self.error_at(at, &e.to_string()))?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|e| self.error_at(at, &e.to_string()))?;
            let name = attribute.key.as_ref();
            if attributes.len() == MAX_ATTRIBUTES {
                let what = format!("more than {MAX_ATTRIBUTES} attributes in an element");
                return Err(self.error_at(at, &what));
            }
            let declared = match name {
                "xmlns" => Some(""),
                name => name.strip_prefix("xmlns:"),
            };
            if let Some(prefix) = declared {
                let known = KNOWN_NAMESPACES.iter().find(|(uri, _)| *uri == value);
                let known = known.map(|(_, customary)| *customary);
                if self.scopes.len() == MAX_ATTRIBUTES {
                    let what = format!("more than {MAX_ATTRIBUTES} namespaces at one place");
                    return Err(self.error_at(at, &what));
                }
                self.scopes.push((depth, prefix.to_owned(), known));
            }
            attributes.push((name.to_owned(), value.into_owned()));
        }
        let name = self.customary(start.name().as_ref(), at)?;
        if name == "metadata" {
            self.verbatim.get_or_insert(depth);
        }
        Ok(Tree {
            name,
            attributes,
            content: Vec::new(),
        })
    }

    /// The name with the customary prefix of its namespace. A customary prefix that means something
    /// else, or nothing, would be mistaken for it.
    fn customary(&self, name: &str, at: usize) -> Result<String> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let scope = self.scopes.iter().rev().find(|(_, p, _)| p == prefix);
        match scope {
            _ if self.verbatim.is_some() => Ok(name.to_owned()),
            Some((.., Some(known))) => Ok(format!("{known}:{local}")),
            other => match KNOWN_NAMESPACES.iter().find(|(_, known)| *known == prefix) {
                None => Ok(name.to_owned()),
                Some((uri, _)) => {
                    let what = match other {
                        None => "is not defined",
                        Some(_) => "is defined as something else",
                    };
                    let text = format!(
                        "Namespace prefix {prefix} on {local} {what}; write xmlns:{prefix}='{uri}'"
                    );
                    Err(self.error_at(at, &text))
                }
            },
        }
    }

    /// Forgets what elements below `depth` declared.
    fn end_scope(&mut self, depth: usize) {
        while self.scopes.last().is_some_and(|(at, ..)| *at >= depth) {
            self.scopes.pop();
        }
        self.verbatim = self.verbatim.filter(|at| *at < depth);
    }

    fn close(&mut self, tree: Tree, root: &mut Option<Tree>) {
        match self.open.last_mut() {
            Some((parent, _)) => parent.content.push(Content::Element(tree)),
            None => *root = Some(tree),
        }
    }

    fn add_text(&mut self, text: &str, at: usize) -> Result<()> {
        match self.open.last_mut() {
            // A text cut by a reference or a comment comes in pieces.
            Some((parent, _)) => match parent.content.last_mut() {
                Some(Content::Text(before)) => before.push_str(text),
                _ => parent.content.push(Content::Text(text.to_owned())),
            },
            None if text.trim().is_empty() => {}
            None => return Err(self.error_at(at, "Start tag expected, '<' not found")),
        }
        Ok(())
    }

    fn syntax_error(&self, error: &quick_xml::Error) -> Error {
        use quick_xml::errors::{IllFormedError, SyntaxError};
        let at = usize::try_from(self.reader.error_position()).unwrap_or(usize::MAX);
        let at = at.min(self.text.len());
        match error {
            quick_xml::Error::Syntax(
                SyntaxError::UnclosedTag
                | SyntaxError::UnclosedSingleQuotedAttributeValue
                | SyntaxError::UnclosedDoubleQuotedAttributeValue,
            ) => {
                let rest = self.text.get(at..).unwrap_or_default();
                let name: String = rest
                    .trim_start_matches('<')
                    .chars()
                    .take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/' | '<'))
                    .collect();
                let what = format!(
                    "Couldn't find end of Start Tag {name} line {}",
                    self.line(at)
                );
                self.error_at(self.text.len(), &what)
            }
            quick_xml::Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
                let line = self.open.last().map_or(1, |(_, at)| self.line(*at));
                let what =
                    format!("Opening and ending tag mismatch: {expected} line {line} and {found}");
                self.error_at(at, &what)
            }
            other => self.error_at(at, &other.to_string()),
        }
    }

    /// Counted from 1.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The message with the last non-empty line before the place and a pointer at its end, as
    /// clients are used to.
    fn error_at(&self, at: usize, what: &str) -> Error {
        let before = self.text.get(..at).unwrap_or(self.text);
        let shown = before.trim_end_matches('\n');
        let start = shown.rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |newline| start + newline);
        let context: String = self.text[start..end].chars().take(80).collect();
        let pointer = "-".repeat(shown[start..].chars().count().min(79));
        let line = self.line(at);
        detail(format!("at line {line}: {what}\n{context}\n{pointer}^"))
    }
}

fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_document_becomes_a_tree() {
        let tree = parse(
            "<?xml version='1.0'?><!-- c --><a x='1&amp;2'><b>t &lt;<![CDATA[<]]></b><c/></a>\n",
        )
        .unwrap();
        assert_eq!(tree.attribute("x"), Some("1&2"));
        assert_eq!(tree.element("b").unwrap().text(), "t <<");
        assert_eq!(
            tree.to_xml(0),
            "<a x=\"1&amp;2\">\n  <b>t &lt;&lt;</b>\n  <c/>\n</a>\n"
        );
    }

    #[test]
    fn malformed_documents_are_named_with_their_place() {
        assert_eq!(
            message("<domain\n"),
            "at line 2: Couldn't find end of Start Tag domain line 1\n<domain\n-------^"
        );
        assert_eq!(
            message("").lines().next(),
            Some("at line 1: Document is empty")
        );
        assert!(message("<a><b></a>").contains("Opening and ending tag mismatch: b line 1 and a"));
        assert!(message("<a>").contains("Premature end of data in tag a line 1"));
        assert!(message("<a/><b/>").contains("Extra content"));
        assert!(message("<a>&x;</a>").contains("Entity 'x' not defined"));
        assert!(message("text").contains("Start tag expected"));
        assert!(message("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>").contains("DOCTYPE"));
        assert!(message("<a x='1' x='2'/>").starts_with("at line 1: "));
    }

    #[test]
    fn depth_and_number_are_bounded() {
        assert!(message(&"<a>".repeat(300)).contains("deeper"));
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        assert!(message(&many).contains("elements"));
        let attributes: String = (0..=MAX_ATTRIBUTES).map(|n| format!(" a{n}=''")).collect();
        assert!(message(&format!("<a{attributes}/>")).contains("attributes"));
        let long = format!("<a>{}</a>", " ".repeat(MAX_LENGTH));
        assert!(message(&long).contains("bytes is not accepted"));
    }

    #[test]
    fn a_known_namespace_has_its_customary_prefix() {
        let tree = parse(
            "<d xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0' xmlns:o='urn:o'><q:a/><o:b/></d>",
        )
        .unwrap();
        let names: Vec<_> = tree.elements().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["qemu:a", "o:b"]);
        let tree = parse(
            "<d><c xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><a/><b xmlns=''/></c><e/></d>",
        )
        .unwrap();
        let names: Vec<_> = tree.elements().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["qemu:c", "e"]);
        let inner = tree.element("qemu:c").unwrap().elements();
        let names: Vec<_> = inner.map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["qemu:a", "b"]);
        let own = "<metadata xmlns:q=\"http://libvirt.org/schemas/domain/qemu/1.0\">\n  <q:a/>\n\
                   </metadata>\n";
        assert_eq!(parse(own).unwrap().to_xml(0), own);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(<[ab]( x='[a-z&;]{0,3}')?/?>|</[ab]>|[&;<>'\"a-c\n é]){0,30}") {
            let _ = parse(&text);
        }
    }
}
