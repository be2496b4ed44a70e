//! An element while it is read: typed access to its parts, which remembers what was taken.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::element::Element;
use crate::tree::{Content, Tree};
use crate::value::Value;

/// Something in a document that no type asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// An element, by its path.
    Element(String),
    /// An attribute: the path of its element, its name.
    Attribute(String, String),
    /// Text in an element that holds none, by the element's path.
    Text(String),
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(path) => write!(f, "element '{path}'"),
            Self::Attribute(path, name) => write!(f, "attribute '{path}/@{name}'"),
            Self::Text(path) => write!(f, "text in element '{path}'"),
        }
    }
}

/// One step of an element's path.
#[derive(Debug)]
struct Step<'t> {
    parent: Option<Rc<Step<'t>>>,
    name: &'t str,
    /// From 1 among the elements of that name; 0 when it is the only one.
    number: usize,
}

impl Step<'_> {
    fn push_path(&self, out: &mut String) {
        if let Some(parent) = &self.parent {
            parent.push_path(out);
        }
        out.push('/');
        out.push_str(self.name);
        if self.number > 0 {
            out.push_str(&format!("[{}]", self.number));
        }
    }
}

/// An element that is being read.
#[derive(Debug)]
pub struct Node<'t> {
    tree: &'t Tree,
    step: Rc<Step<'t>>,
    taken_attributes: Vec<bool>,
    taken_content: Vec<bool>,
    report: Rc<RefCell<Vec<Unknown>>>,
    of_driver: bool,
}

impl<'t> Node<'t> {
    pub(crate) fn root(tree: &'t Tree, report: Rc<RefCell<Vec<Unknown>>>, of_driver: bool) -> Self {
        Self {
            of_driver,
            ..Self::at(tree, None, 0, report)
        }
    }

    fn at(
        tree: &'t Tree,
        parent: Option<Rc<Step<'t>>>,
        number: usize,
        report: Rc<RefCell<Vec<Unknown>>>,
    ) -> Self {
        Self {
            tree,
            step: Rc::new(Step {
                parent,
                name: &tree.name,
                number,
            }),
            taken_attributes: vec![false; tree.attributes.len()],
            taken_content: vec![false; tree.content.len()],
            report,
            of_driver: false,
        }
    }

    /// Whether the document is the driver's own: it holds what no client may say.
    pub fn is_of_driver(&self) -> bool {
        self.of_driver
    }

    /// The element's name.
    pub fn name(&self) -> &'t str {
        &self.tree.name
    }

    /// Its path from the root, such as `/domain/devices/disk[2]`.
    pub fn path(&self) -> String {
        let mut path = String::new();
        self.step.push_path(&mut path);
        path
    }

    /// The element as it was read; looking does not take anything.
    pub fn tree(&self) -> &'t Tree {
        self.tree
    }

    /// Takes an attribute's text.
    pub fn attr_text(&mut self, name: &str) -> Option<&'t str> {
        let at = self
            .tree
            .attributes
            .iter()
            .position(|(key, _)| key == name)?;
        self.taken_attributes[at] = true;
        Some(&self.tree.attributes[at].1)
    }

    /// Takes an attribute.
    ///
    /// # Errors
    /// `XML_ERROR` when its text is no such value.
    pub fn attr<T: Value>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.attr_text(name) else {
            return Ok(None);
        };
        T::from_text(text).map(Some).ok_or_else(|| {
            let detail = invalid_attribute(name, self.name(), text);
            let expected = T::expected().map_or_else(String::new, |e| format!(" {e}."));
            self.error(format!(
                "{detail}{expected} Allowed in {}: {}",
                self.path(),
                T::allowed()
            ))
        })
    }

    /// Takes an attribute that has to be there.
    ///
    /// # Errors
    /// `XML_ERROR` when it is missing or its text is no such value.
    pub fn required<T: Value>(&mut self, name: &str) -> Result<T> {
        self.attr(name)?.ok_or_else(|| {
            self.error(format!(
                "Missing required attribute '{name}' in element '{}'. {}",
                self.name(),
                self.path()
            ))
        })
    }

    /// The refusal of an attribute's value.
    pub fn bad_attr(&self, name: &str, value: &str, allowed: &str) -> Error {
        let detail = invalid_attribute(name, self.name(), value);
        self.error(format!("{detail} Allowed in {}: {allowed}", self.path()))
    }

    /// An `XML_ERROR` with that detail.
    pub fn error(&self, detail: impl Into<String>) -> Error {
        Error::new(ErrorCode::XmlError, ErrorDomain::Domain, detail)
    }

    /// The element's own text, taken.
    ///
    /// # Errors
    /// `XML_ERROR` when it is no such value.
    pub fn text<T: Value>(&mut self) -> Result<T> {
        for (taken, content) in self.taken_content.iter_mut().zip(&self.tree.content) {
            *taken |= matches!(content, Content::Text(_));
        }
        let text = self.tree.text();
        let value = T::from_text(&text).or_else(|| T::from_text(text.trim()));
        value.ok_or_else(|| {
            self.error(format!(
                "Invalid value '{}' for element or attribute '{}'. Allowed: {}",
                text.trim(),
                self.path(),
                T::allowed()
            ))
        })
    }

    /// The element's own text, taken; nothing when there is none but blanks.
    ///
    /// # Errors
    /// As [`Node::text`].
    pub fn maybe_text<T: Value>(&mut self) -> Result<Option<T>> {
        if self.tree.text().trim().is_empty() {
            return Ok(None);
        }
        self.text().map(Some)
    }

    /// Whether there is a child of that name that was not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    fn position(&self, name: &str) -> Option<usize> {
        let mut content = self.tree.content.iter().zip(&self.taken_content);
        content.position(|(content, taken)| {
            !taken && matches!(content, Content::Element(tree) if tree.name == name)
        })
    }

    /// Takes the first child of that name.
    fn take(&mut self, name: &str) -> Option<&'t Tree> {
        let at = self.position(name)?;
        self.taken_content[at] = true;
        match &self.tree.content[at] {
            Content::Element(tree) => Some(tree),
            Content::Text(_) => None,
        }
    }

    /// Takes all children of that name, in one pass however many there are.
    fn take_all(&mut self, name: &str) -> Vec<&'t Tree> {
        let mut all = Vec::new();
        for (content, taken) in self.tree.content.iter().zip(&mut self.taken_content) {
            if let Content::Element(tree) = content
                && !*taken
                && tree.name == name
            {
                *taken = true;
                all.push(tree);
            }
        }
        all
    }

    fn enter<T>(
        &self,
        tree: &'t Tree,
        number: usize,
        read: impl FnOnce(&mut Node<'t>) -> Result<T>,
    ) -> Result<T> {
        let step = Some(Rc::clone(&self.step));
        let mut node = Node {
            of_driver: self.of_driver,
            ..Node::at(tree, step, number, Rc::clone(&self.report))
        };
        let value = read(&mut node)?;
        node.finish();
        Ok(value)
    }

    /// Takes the first child of that name.
    ///
    /// # Errors
    /// What its type finds wrong.
    pub fn child<E: Element>(&mut self, name: &str) -> Result<Option<E>> {
        self.child_with(name, E::read)
    }

    /// Takes the first child of that name, read by `read`.
    ///
    /// # Errors
    /// What `read` finds wrong.
    pub fn child_with<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Node<'t>) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.take(name) {
            Some(tree) => self.enter(tree, 0, read).map(Some),
            None => Ok(None),
        }
    }

    /// Takes the first child of that name, which has to be there.
    ///
    /// # Errors
    /// `XML_ERROR` when it is missing; what its type finds wrong.
    pub fn required_child<E: Element>(&mut self, name: &str) -> Result<E> {
        self.child(name)?.ok_or_else(|| self.missing_child(name))
    }

    fn missing_child(&self, name: &str) -> Error {
        self.error(format!(
            "missing element '{name}' in element '{}'",
            self.path()
        ))
    }

    /// Takes all children of that name.
    ///
    /// # Errors
    /// What their type finds wrong.
    pub fn children<E: Element>(&mut self, name: &str) -> Result<Vec<E>> {
        self.children_with(name, E::read)
    }

    /// Takes all children of that name, read by `read`.
    ///
    /// # Errors
    /// What `read` finds wrong.
    pub fn children_with<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Node<'t>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let trees = self.take_all(name);
        let mut all = Vec::with_capacity(trees.len());
        for (tree, number) in trees.into_iter().zip(1..) {
            all.push(self.enter(tree, number, &mut read)?);
        }
        Ok(all)
    }

    /// Takes the text of the first child of that name.
    ///
    /// # Errors
    /// `XML_ERROR` when it is no such value.
    pub fn child_text<T: Value>(&mut self, name: &str) -> Result<Option<T>> {
        self.child_with(name, Node::text)
    }

    /// Takes the text of the first child of that name; one that holds nothing says nothing.
    ///
    /// # Errors
    /// `XML_ERROR` when it is no such value.
    pub fn maybe_child_text<T: Value>(&mut self, name: &str) -> Result<Option<T>> {
        Ok(self.child_with(name, Node::maybe_text)?.flatten())
    }

    /// Takes the text of the first child of that name, which has to be there.
    ///
    /// # Errors
    /// `XML_ERROR` when it is missing or no such value.
    pub fn required_child_text<T: Value>(&mut self, name: &str) -> Result<T> {
        self.child_text(name)?
            .ok_or_else(|| self.missing_child(name))
    }

    /// Takes the texts of all children of that name.
    ///
    /// # Errors
    /// `XML_ERROR` when one is no such value.
    pub fn child_texts<T: Value>(&mut self, name: &str) -> Result<Vec<T>> {
        self.children_with(name, Node::text)
    }

    /// Whether there is a child of that name, which is taken; what is in it is reported.
    pub fn flag(&mut self, name: &str) -> bool {
        // Reading nothing can't fail.
        matches!(self.child_with(name, |_| Ok(())), Ok(Some(())))
    }

    /// Takes the first child of that name as it is.
    pub fn raw(&mut self, name: &str) -> Option<Tree> {
        self.take(name).cloned()
    }

    /// Takes all children of that name as they are.
    pub fn raws(&mut self, name: &str) -> Vec<Tree> {
        self.take_all(name).into_iter().cloned().collect()
    }

    /// Takes all children that were not taken, as they are.
    pub fn rest(&mut self) -> Vec<Tree> {
        let mut rest = Vec::new();
        for (taken, content) in self.taken_content.iter_mut().zip(&self.tree.content) {
            if let Content::Element(tree) = content
                && !std::mem::replace(taken, true)
            {
                rest.push(tree.clone());
            }
        }
        rest
    }

    /// Reports what was not taken.
    pub(crate) fn finish(self) {
        let mut report = self.report.borrow_mut();
        for ((name, _), taken) in self.tree.attributes.iter().zip(&self.taken_attributes) {
            if !taken && name != "xmlns" && !name.starts_with("xmlns:") {
                report.push(Unknown::Attribute(self.path(), name.clone()));
            }
        }
        for (content, taken) in self.tree.content.iter().zip(&self.taken_content) {
            match content {
                _ if *taken => {}
                Content::Element(tree) => {
                    report.push(Unknown::Element(format!("{}/{}", self.path(), tree.name)));
                }
                Content::Text(text) if !text.trim().is_empty() => {
                    report.push(Unknown::Text(self.path()));
                }
                Content::Text(_) => {}
            }
        }
    }
}

/// The stock sentence about an attribute's value.
pub fn invalid_attribute(name: &str, element: &str, value: &str) -> String {
    format!("Invalid value for attribute '{name}' in element '{element}': '{value}'.")
}
