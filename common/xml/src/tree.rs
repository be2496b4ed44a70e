//! An XML document as it was read.

use crate::escape::{push_double_quoted, push_text};

/// An element with everything in it. Comments and processing instructions are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// Its name with its prefix. The prefix of a namespace that libvirt knows is the customary one
    /// (`qemu:commandline`), whatever the document calls it.
    pub name: String,
    /// Attributes in their order, namespace declarations included.
    pub attributes: Vec<(String, String)>,
    /// Elements and text in their order.
    pub content: Vec<Content>,
}

/// What stands between an element's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An element.
    Element(Tree),
    /// Text with entities resolved.
    Text(String),
}

impl Tree {
    /// An empty element.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The elements directly inside.
    pub fn elements(&self) -> impl Iterator<Item = &Tree> {
        self.content.iter().filter_map(|content| match content {
            Content::Element(tree) => Some(tree),
            Content::Text(_) => None,
        })
    }

    /// The first element of that name directly inside.
    pub fn element(&self, name: &str) -> Option<&Tree> {
        self.elements().find(|tree| tree.name == name)
    }

    /// Whether all that another says of the same element is so here, too; there may be more.
    pub fn has(&self, said: &Self) -> bool {
        let text = said.text();
        self.name == said.name
            && (text.trim().is_empty() || text == self.text())
            && said
                .attributes
                .iter()
                .all(|one| self.attributes.contains(one))
            && said
                .elements()
                .all(|one| self.elements().any(|own| own.has(one)))
    }

    /// All text directly inside, put together.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for content in &self.content {
            if let Content::Text(part) = content {
                text.push_str(part);
            }
        }
        text
    }

    /// The element's namespace as its own attributes declare it.
    pub fn own_namespace(&self) -> Option<&str> {
        match self.name.split_once(':') {
            Some((prefix, _)) => self.attribute(&format!("xmlns:{prefix}")),
            None => self.attribute("xmlns"),
        }
    }

    /// Declares here the prefixes that are used in the element but declared outside of it, by the
    /// declarations among `outer`, so that the element can stand alone.
    pub fn declare_used(&mut self, outer: &[(String, String)]) {
        let mut missing = Vec::new();
        self.find_undeclared(&mut Vec::new(), &mut missing);
        for prefix in missing {
            let name = format!("xmlns:{prefix}");
            if let Some((_, uri)) = outer.iter().find(|(key, _)| *key == name) {
                self.attributes.push((name, uri.clone()));
            }
        }
    }

    fn find_undeclared<'t>(&'t self, declared: &mut Vec<&'t str>, missing: &mut Vec<String>) {
        let outside = declared.len();
        let names = self.attributes.iter().map(|(name, _)| name.as_str());
        declared.extend(names.clone().filter_map(|name| name.strip_prefix("xmlns:")));
        for name in std::iter::once(self.name.as_str()).chain(names) {
            let Some((prefix, _)) = name.split_once(':') else {
                continue;
            };
            let reserved = matches!(prefix, "xml" | "xmlns");
            if !reserved && !declared.contains(&prefix) && !missing.iter().any(|m| m == prefix) {
                missing.push(prefix.to_owned());
            }
        }
        for tree in self.elements() {
            tree.find_undeclared(declared, missing);
        }
        declared.truncate(outside);
    }

    /// The document as text, starting at column `indent`; attributes in double quotes and elements
    /// on lines of their own unless text stands beside them.
    pub fn to_xml(&self, indent: usize) -> String {
        let mut out = String::new();
        self.push_lines(&mut out, indent);
        out
    }

    pub(crate) fn push_lines(&self, out: &mut String, indent: usize) {
        push_indent(out, indent);
        if self.is_mixed() {
            self.push_inline(out);
        } else {
            let closed = self.push_start(out);
            if !closed {
                out.push('\n');
                for tree in self.elements() {
                    tree.push_lines(out, indent + 2);
                }
                push_indent(out, indent);
                self.push_end(out);
            }
        }
        out.push('\n');
    }

    /// Whether line breaks added between the parts would change a text.
    fn is_mixed(&self) -> bool {
        self.content
            .iter()
            .any(|c| matches!(c, Content::Text(text) if !text.trim().is_empty()))
    }

    fn push_inline(&self, out: &mut String) {
        if self.push_start(out) {
            return;
        }
        for content in &self.content {
            match content {
                Content::Element(tree) => tree.push_inline(out),
                Content::Text(text) => push_text(out, text),
            }
        }
        self.push_end(out);
    }

    /// True when the element is empty and so closed already.
    fn push_start(&self, out: &mut String) -> bool {
        out.push('<');
        out.push_str(&self.name);
        for (name, value) in &self.attributes {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            push_double_quoted(out, value);
            out.push('"');
        }
        let empty = !self.is_mixed() && self.elements().next().is_none();
        out.push_str(if empty { "/>" } else { ">" });
        empty
    }

    fn push_end(&self, out: &mut String) {
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

pub(crate) fn push_indent(out: &mut String, indent: usize) {
    for _ in 0..indent {
        out.push(' ');
    }
}
