//! Command lines as they are compared: the order of options counts, that of keys inside one does
//! not.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys whose values are numbers of descriptors.
const DESCRIPTORS: &[&str] = &["fd", "fds", "vhostfd", "vhostfds"];

/// Keys of an encrypted secret that are other ones each time.
const CHANCE: &[&str] = &["data", "iv"];

/// One option with its value taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// The option; empty for the environment and the program.
    pub option: String,
    /// The value by keys; words without one are numbered.
    pub parts: BTreeMap<String, String>,
}

/// Takes a command line apart.
pub fn words(line: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    for word in split(line) {
        if word.starts_with('-') || found.is_empty() {
            found.push(Word {
                option: word,
                parts: BTreeMap::new(),
            });
            continue;
        }
        let last = found.len() - 1;
        let number = found[last].parts.len();
        let parts = match serde_json::from_str::<Value>(&word) {
            Ok(value @ Value::Object(_)) => {
                let mut parts = BTreeMap::new();
                flat("", &value, &mut parts);
                parts
            }
            _ => keys(&word),
        };
        for (key, mut value) in parts {
            // Which number a descriptor has is nobody's business; whether there is one is.
            if DESCRIPTORS.contains(&key.trim_start_matches('.')) {
                value = super::compare::anonymous(&value);
            }
            let secret = found[last].option == "-object";
            if secret && CHANCE.contains(&key.trim_start_matches('.')) {
                value = "by chance".to_owned();
            }
            // The environment has many values before the first option.
            let key = if found[last].option.starts_with('-') {
                key
            } else {
                format!("{number} {key}")
            };
            found[last].parts.insert(key, value);
        }
    }
    found
}

fn flat(path: &str, value: &Value, parts: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                flat(&format!("{path}.{key}"), value, parts);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                flat(&format!("{path}[{at}]"), item, parts);
            }
        }
        other => {
            parts.insert(path.to_owned(), other.to_string());
        }
    }
}

/// `word,key=value,..` where `,,` is a comma of the value.
fn keys(word: &str) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    for (at, item) in word.replace(",,", "\u{1}").split(',').enumerate() {
        let item = item.replace('\u{1}', ",,");
        let (key, value) = match item.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (format!("#{at}"), item),
        };
        let entry = parts.entry(key).or_insert_with(String::new);
        entry.push_str(&value);
        entry.push(';');
    }
    parts
}

/// The words of a command line that is quoted for a shell.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = line.chars();
    let mut quote = None;
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => match characters.next() {
                Some('\n') | None => {}
                Some(c) => word.get_or_insert_default().push(c),
            },
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_come_in_any_order() {
        let one = words("A=b qemu -m 1,size=2 \\\n-device '{\"a\":1,\"b\":[2]}' -x 'it'\\''s'");
        let other = words("A=b qemu -m 1,size=2 -device '{\"b\":[2],\"a\":1}' -x \"it's\"");
        assert_eq!(one, other);
        assert_ne!(
            one,
            words("A=b qemu -m 1,size=3 -device '{\"b\":[2],\"a\":1}' -x \"it's\"")
        );
        assert_eq!(one.len(), 4);
    }
}
