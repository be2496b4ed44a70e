//! Records for the kernel's audit trail, as daemons hand them to virtlogd (WIRE.md section 20).
//!
//! They travel as fields, and only virtlogd makes a text of them: nothing that a guest or a client
//! chose can end a field or begin another.

use serde::{Deserialize, Serialize};

use super::records::{FIELDS_MAX, VALUE_MAX, Word};

/// The kind of an audit record, and its number in the kernel's trail (linux/audit.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Type {
    /// A guest started or stopped.
    VirtControl = 2500,
    /// A guest got a resource, or lost one.
    VirtResource = 2501,
    /// A guest's security labels.
    VirtMachineId = 2502,
    /// Someone was refused something by a program that decides.
    UserAvc = 1107,
}

/// A field's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// A word or number of the format itself, written as it is.
    Bare(String),
    /// A text that others chose: written `"text"`, or in hexadecimal digits where it needs that.
    Text(String),
}

/// One audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Its type.
    pub kind: Type,
    /// Its fields in order, without those that the sender's process gives.
    pub fields: Vec<(Word, Value)>,
    /// Whether what it tells of succeeded.
    pub success: bool,
}

/// Most bytes of a value in the trail: two of them and the rest fit into a record of the kernel's.
const WRITTEN_MAX: usize = 3800;

impl Audit {
    /// Bytes that it takes in memory, about.
    pub fn weight(&self) -> usize {
        let fields = self.fields.iter();
        let fields: usize = fields
            .map(|(key, value)| key.len() + value.len() + size_of::<(Word, Value)>())
            .sum();
        size_of::<Self>() + fields
    }

    /// Whether it keeps to the bounds of the protocol, with keys that are some.
    pub fn is_bounded(&self) -> bool {
        let is_key = |key: &str| {
            let mut bytes = key.bytes();
            !key.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        self.fields.len() <= FIELDS_MAX
            && self.fields.iter().all(|(key, value)| {
                is_key(key) && key.len() <= VALUE_MAX && value.len() <= VALUE_MAX
            })
    }

    /// The fields as the trail has them, `virt=kvm op=start reason=booted vm="web"`; values are cut where
    /// the kernel would cut the record.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.fields {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(key);
            text.push('=');
            match value {
                Value::Bare(word) if is_clean(word) => text.extend(word.chars().take(WRITTEN_MAX)),
                Value::Text(word) if is_clean(word) => {
                    text.push('"');
                    text.extend(word.chars().take(WRITTEN_MAX));
                    text.push('"');
                }
                // Audit's own way for what a reader could take for something else.
                Value::Bare(word) | Value::Text(word) => {
                    for byte in word.bytes().take(WRITTEN_MAX / 2) {
                        for digit in [byte >> 4, byte & 15] {
                            text.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                        }
                    }
                }
            }
        }
        text
    }
}

impl Value {
    fn len(&self) -> usize {
        match self {
            Self::Bare(text) | Self::Text(text) => text.len(),
        }
    }
}

/// Whether no byte of it is a blank, a quote, a control or outside of ASCII.
fn is_clean(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_chose_ends_a_field() {
        let text = |value| {
            let fields = vec![
                ("vm".into(), value),
                ("uuid".into(), Value::Bare("?".into())),
            ];
            let kind = Type::VirtControl;
            let success = true;
            Audit {
                kind,
                fields,
                success,
            }
            .text()
        };
        assert_eq!(text(Value::Text("web".into())), "vm=\"web\" uuid=?");
        assert_eq!(text(Value::Bare("web".into())), "vm=web uuid=?");
        assert_eq!(text(Value::Text("a b".into())), "vm=612062 uuid=?");
        assert_eq!(text(Value::Text("a\"b".into())), "vm=612262 uuid=?");
        assert_eq!(text(Value::Bare("a\n".into())), "vm=610A uuid=?");
        assert_eq!(text(Value::Text("ü".into())), "vm=C3BC uuid=?");
    }
}
