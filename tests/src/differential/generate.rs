//! Elements made from the schema.

use virt_xml::{Content, Tree};

use super::random::Random;
use super::schema::{Pattern, Schema};
use super::values;

/// Makes elements at random.
pub struct Generator<'s> {
    /// The grammar.
    pub schema: &'s Schema,
    /// How likely, in a hundred, an optional part is made.
    pub generosity: u64,
}

impl Generator<'_> {
    /// An element of that name with that content.
    pub fn element(&self, name: &str, content: &Pattern, random: &mut Random) -> Tree {
        let mut tree = Tree::new(name);
        let mut left = 60;
        self.fill(content, &mut tree, random, &mut left);
        tree
    }

    /// A text for an attribute or a text element.
    pub fn value(&self, pattern: &Pattern, random: &mut Random) -> String {
        let mut tree = Tree::default();
        self.fill(pattern, &mut tree, random, &mut 1);
        tree.text()
    }

    /// Adds to an element what a pattern says; `left` bounds the elements made.
    fn fill(&self, pattern: &Pattern, tree: &mut Tree, random: &mut Random, left: &mut u32) {
        match pattern {
            Pattern::Empty => {}
            Pattern::Text => add_text(tree, values::text(random)),
            Pattern::Value(value) => add_text(tree, value.clone()),
            Pattern::Data(kind, params) => {
                add_text(tree, values::of_datatype(kind, params, random));
            }
            Pattern::Attribute(name, value) => {
                if tree.attribute(name).is_none() {
                    let value = self.value(value, random);
                    tree.attributes.push((name.clone(), value));
                }
            }
            Pattern::Element(name, content) => {
                *left = left.saturating_sub(1);
                let mut child = Tree::new(name.clone());
                self.fill(content, &mut child, random, left);
                tree.content.push(Content::Element(child));
            }
            Pattern::All(parts) => {
                for part in parts {
                    self.fill(part, tree, random, left);
                }
            }
            Pattern::Choice(parts) if !parts.is_empty() => {
                self.fill(random.pick(parts), tree, random, left);
            }
            Pattern::Choice(_) => {}
            Pattern::Optional(inner) => {
                if *left > 0 && random.chance(self.generosity) {
                    self.fill(inner, tree, random, left);
                }
            }
            Pattern::Repeat(inner, once) => {
                if *once {
                    self.fill(inner, tree, random, left);
                }
                while *left > 0 && random.chance(self.generosity) {
                    *left -= 1;
                    self.fill(inner, tree, random, left);
                }
            }
            Pattern::Ref(name) => match values::of_rule(name, random) {
                Some(value) => add_text(tree, value),
                None => self.fill(self.schema.defined(name), tree, random, left),
            },
        }
    }
}

fn add_text(tree: &mut Tree, text: String) {
    if !text.is_empty() {
        tree.content.push(Content::Text(text));
    }
}
