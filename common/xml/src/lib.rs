//! XML as libvirt's clients write and read it: bounded reading into a [`Tree`], typed elements
//! that take their attributes and children out of it, and writing with libvirt's own layout.
//!
//! A type is made readable and writable by `#[derive(Element)]`: one line a field says whether it
//! is an attribute, a child or text; the messages for what is missing or wrong follow from it. What
//! no type took is reported as [`Unknown`], so that nothing a user wrote is dropped silently.

extern crate self as virt_xml;

mod element;
mod escape;
mod node;
mod parse;
mod switch;
mod tree;
mod value;
mod writer;

pub use element::{Element, read, read_named, read_named_with, read_of_driver, write};
pub use node::{Node, Unknown, invalid_attribute};
pub use parse::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_ELEMENTS, MAX_LENGTH, parse};
pub use switch::{OnOff, YesNo};
pub use tree::{Content, Tree};
pub use value::Value;
pub use virt_xml_derive::{Element, Words};
pub use writer::{Tag, Writer};
