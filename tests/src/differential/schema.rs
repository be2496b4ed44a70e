//! The installed RELAX NG schema of guests (package libvirt-common) as patterns to make guests from.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use virt_xml::Tree;

/// Where the schemas are installed.
pub const FOLDER: &str = "/usr/share/libvirt/schemas";

/// A pattern, as RELAX NG's specification (section 3) names them.
#[derive(Debug, Clone)]
pub enum Pattern {
    /// Nothing, or what is not allowed, or any element: nothing is made of these.
    Empty,
    /// Any text.
    Text,
    /// This text.
    Value(String),
    /// A datatype of XML Schema with its parameters.
    Data(String, Vec<(String, String)>),
    /// An attribute of that name.
    Attribute(String, Box<Pattern>),
    /// An element of that name.
    Element(String, Box<Pattern>),
    /// All of them, also interleaved.
    All(Vec<Pattern>),
    /// One of them.
    Choice(Vec<Pattern>),
    /// Possibly.
    Optional(Box<Pattern>),
    /// Any number; at least one if so marked.
    Repeat(Box<Pattern>, bool),
    /// What is defined elsewhere.
    Ref(String),
}

/// What an element may hold.
#[derive(Debug, Clone, Copy)]
pub enum Part<'s> {
    /// An attribute.
    Attribute(&'s str, &'s Pattern),
    /// A child.
    Child(&'s str, &'s Pattern),
    /// Its own text.
    Text(&'s Pattern),
}

/// The grammar.
#[derive(Debug, Default)]
pub struct Schema {
    defined: HashMap<String, Pattern>,
    /// Contents of the elements that may stand in a parent, by both names.
    elements: HashMap<(String, String), Vec<Pattern>>,
}

impl Schema {
    /// The schema of guests in that folder.
    ///
    /// # Panics
    /// When a file can't be read or holds what RELAX NG does not know.
    pub fn of_guests(folder: &Path) -> Self {
        let mut schema = Self::default();
        schema.load(folder, "domainoverrides.rng", &mut HashSet::new());
        let mut found = HashMap::<_, Vec<_>>::new();
        let root = Pattern::Ref("domain".to_owned());
        schema.index("", &root, &mut HashSet::new(), &mut found);
        schema.elements = found;
        schema
    }

    fn load(&mut self, folder: &Path, name: &str, loaded: &mut HashSet<String>) {
        if !loaded.insert(name.to_owned()) {
            return;
        }
        let text = fs::read_to_string(folder.join(name)).expect("an installed schema");
        let tree = virt_xml::parse(&text).expect("a schema is XML");
        for part in tree.elements() {
            match part.name.as_str() {
                "include" => self.load(folder, part.attribute("href").expect("href"), loaded),
                "define" => {
                    let name = part.attribute("name").expect("a name").to_owned();
                    let pattern = all(part);
                    let pattern = match (part.attribute("combine"), self.defined.remove(&name)) {
                        (Some(_), Some(before)) => Pattern::Choice(vec![before, pattern]),
                        _ => pattern,
                    };
                    self.defined.insert(name, pattern);
                }
                "start" => {}
                other => panic!("{name}: <{other}>"),
            }
        }
    }

    /// What a reference means.
    ///
    /// # Panics
    /// When nothing is defined by that name.
    pub fn defined(&self, name: &str) -> &Pattern {
        self.defined
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not defined"))
    }

    fn index<'s>(
        &'s self,
        parent: &'s str,
        pattern: &'s Pattern,
        seen: &mut HashSet<(&'s str, &'s str)>,
        found: &mut HashMap<(String, String), Vec<Pattern>>,
    ) {
        match pattern {
            Pattern::Element(name, content) => {
                let key = (parent.to_owned(), name.clone());
                found.entry(key).or_default().push((**content).clone());
                self.index(name, content, seen, found);
            }
            Pattern::Ref(name) if seen.insert((parent, name)) => {
                self.index(parent, self.defined(name), seen, found);
            }
            Pattern::All(parts) | Pattern::Choice(parts) => {
                for part in parts {
                    self.index(parent, part, seen, found);
                }
            }
            Pattern::Optional(inner) | Pattern::Repeat(inner, _) => {
                self.index(parent, inner, seen, found);
            }
            _ => {}
        }
    }

    /// All that an element of that name in that parent may hold, whatever else it holds.
    pub fn parts(&self, parent: &str, name: &str) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        for content in self.contents(parent, name) {
            self.collect(content, &mut HashSet::new(), &mut parts);
        }
        parts
    }

    /// The contents an element of that name may have in that parent.
    pub fn contents(&self, parent: &str, name: &str) -> &[Pattern] {
        let key = (parent.to_owned(), name.to_owned());
        self.elements.get(&key).map_or(&[], Vec::as_slice)
    }

    fn collect<'s>(
        &'s self,
        pattern: &'s Pattern,
        seen: &mut HashSet<&'s str>,
        parts: &mut Vec<Part<'s>>,
    ) {
        match pattern {
            Pattern::Attribute(name, value) => parts.push(Part::Attribute(name, value)),
            Pattern::Element(name, content) => parts.push(Part::Child(name, content)),
            Pattern::Ref(name) if seen.insert(name) => {
                self.collect(self.defined(name), seen, parts);
            }
            Pattern::All(inner) | Pattern::Choice(inner) => {
                for pattern in inner {
                    self.collect(pattern, seen, parts);
                }
            }
            Pattern::Optional(inner) | Pattern::Repeat(inner, _) => {
                self.collect(inner, seen, parts);
            }
            Pattern::Text | Pattern::Value(_) | Pattern::Data(..) => {
                parts.push(Part::Text(pattern));
            }
            Pattern::Empty | Pattern::Ref(_) => {}
        }
    }
}

fn all(of: &Tree) -> Pattern {
    let mut parts: Vec<_> = of.elements().map(pattern).collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => Pattern::All(parts),
    }
}

fn pattern(of: &Tree) -> Pattern {
    let named = || of.attribute("name").map(str::to_owned);
    match of.name.as_str() {
        "empty" | "notAllowed" => Pattern::Empty,
        "text" => Pattern::Text,
        "value" => Pattern::Value(of.text()),
        "data" => {
            let params = of.elements().filter(|inner| inner.name == "param");
            let params = params.map(|param| {
                let name = param.attribute("name").unwrap_or_default();
                (name.to_owned(), param.text())
            });
            let kind = of.attribute("type").unwrap_or("string").to_owned();
            Pattern::Data(kind, params.collect())
        }
        "attribute" => match named() {
            Some(name) if of.elements().next().is_none() => {
                Pattern::Attribute(name, Box::new(Pattern::Text))
            }
            Some(name) => Pattern::Attribute(name, Box::new(all(of))),
            None => Pattern::Empty,
        },
        "element" => match named() {
            Some(name) => Pattern::Element(name, Box::new(all(of))),
            None => Pattern::Empty,
        },
        "group" | "interleave" => all(of),
        "choice" => Pattern::Choice(of.elements().map(pattern).collect()),
        "optional" => Pattern::Optional(Box::new(all(of))),
        "zeroOrMore" => Pattern::Repeat(Box::new(all(of)), false),
        "oneOrMore" => Pattern::Repeat(Box::new(all(of)), true),
        "ref" => Pattern::Ref(named().expect("a reference has a name")),
        other => panic!("<{other}> in a schema"),
    }
}
