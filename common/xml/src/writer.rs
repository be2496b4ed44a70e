//! Elements to text in libvirt's layout: two blanks a level, single quotes, empty elements closed
//! in place.

use std::fmt::Write;

use crate::element::Element;
use crate::escape::push_escaped;
use crate::tree::{Tree, push_indent};
use crate::value::Value;

/// The document while it grows.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    indent: usize,
    state: State,
    of_driver: bool,
}

/// What the innermost open element holds so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing: its start tag lacks the `>`.
    Started,
    /// Text: its end tag follows on the line.
    Text,
    /// Elements.
    #[default]
    Elements,
}

impl Writer {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// A document whose lines start at column `indent`.
    pub fn indented(indent: usize) -> Self {
        Self {
            indent,
            ..Self::default()
        }
    }

    /// An empty document of the driver's own, for nobody but the next daemon.
    pub fn of_driver() -> Self {
        Self {
            of_driver: true,
            ..Self::default()
        }
    }

    /// Whether the document is the driver's own: it holds what no client sees.
    pub fn is_of_driver(&self) -> bool {
        self.of_driver
    }

    /// The document.
    pub fn finish(self) -> String {
        self.out
    }

    /// Writes an element with `attrs` and `content`.
    pub fn open(
        &mut self,
        name: &str,
        attrs: impl FnOnce(&mut Tag<'_>),
        content: impl FnOnce(&mut Writer),
    ) {
        self.line();
        self.out.push('<');
        self.out.push_str(name);
        attrs(&mut Tag {
            out: &mut self.out,
            of_driver: self.of_driver,
        });
        self.state = State::Started;
        self.indent += 2;
        content(self);
        self.indent -= 2;
        match self.state {
            State::Started => self.out.push_str("/>\n"),
            State::Text => self.close(name),
            State::Elements => {
                push_indent(&mut self.out, self.indent);
                self.close(name);
            }
        }
        self.state = State::Elements;
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push_str(">\n");
    }

    /// Ends the start tag of the element that gets its first child, and indents.
    fn line(&mut self) {
        if self.state == State::Started {
            self.out.push_str(">\n");
        }
        self.state = State::Elements;
        push_indent(&mut self.out, self.indent);
    }

    /// Writes an element by its type.
    pub fn element<E: Element>(&mut self, name: &str, element: &E) {
        self.open(name, |tag| element.attrs(tag), |out| element.content(out));
    }

    /// Writes an element if there is one.
    pub fn maybe<E: Element>(&mut self, name: &str, element: Option<&E>) {
        if let Some(element) = element {
            self.element(name, element);
        }
    }

    /// Writes an element that holds one value.
    pub fn text_element<V: Value>(&mut self, name: &str, value: &V) {
        self.open(name, |_| {}, |out| out.text(value));
    }

    /// Writes an element without attributes or content.
    pub fn empty(&mut self, name: &str) {
        self.open(name, |_| {}, |_| {});
    }

    /// Writes the open element's text.
    pub fn text<V: Value>(&mut self, value: &V) {
        let text = value.to_text();
        if self.state == State::Started {
            self.out.push('>');
        }
        self.state = State::Text;
        push_escaped(&mut self.out, &text);
    }

    /// Writes an element as it was read.
    pub fn tree(&mut self, tree: &Tree) {
        if self.state == State::Started {
            self.out.push_str(">\n");
        }
        self.state = State::Elements;
        tree.push_lines(&mut self.out, self.indent);
    }
}

/// A start tag while it grows.
#[derive(Debug)]
pub struct Tag<'w> {
    out: &'w mut String,
    of_driver: bool,
}

impl Tag<'_> {
    /// Whether the document is the driver's own: it holds what no client sees.
    pub fn is_of_driver(&self) -> bool {
        self.of_driver
    }

    /// Writes an attribute.
    pub fn attr<V: Value>(&mut self, name: &str, value: &V) {
        self.text(name, &value.to_text());
    }

    /// Writes an attribute if it has a value.
    pub fn maybe<V: Value>(&mut self, name: &str, value: &Option<V>) {
        if let Some(value) = value {
            self.attr(name, value);
        }
    }

    /// Writes an attribute with that text.
    pub fn text(&mut self, name: &str, text: &str) {
        // Writing to a String can't fail.
        let _ = write!(self.out, " {name}='");
        push_escaped(self.out, text);
        self.out.push('\'');
    }
}
