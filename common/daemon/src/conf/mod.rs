//! libvirt's configuration files: `key = value` lines, values being whole numbers, strings or
//! lists of strings; `#` starts a comment (the shipped files and their Augeas lenses show it).
//!
//! A [`Document`] hands out its keys one by one, typed; [`Document::finish`] then refuses what
//! nobody asked for, so that a misspelt key can't silently do nothing.

mod parse;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Longest file read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// A value as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number, possibly negative.
    Integer(i64),
    /// Text in quotes.
    Text(String),
    /// Texts in brackets.
    List(Vec<String>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Integer(_) => "a number",
            Self::Text(_) => "a text in quotes",
            Self::List(_) => "a list",
        }
    }
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfError {
    /// The file.
    pub file: PathBuf,
    /// Its line, counted from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// What is wrong with what, and what would be right.
    pub reason: String,
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.reason),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.reason),
        }
    }
}

impl std::error::Error for ConfError {}

/// One file's settings, each taken out by whoever knows its key.
#[derive(Debug, Default)]
pub struct Document {
    file: PathBuf,
    entries: HashMap<String, (usize, Value)>,
}

impl Document {
    /// Reads a file; one that does not exist is an empty document unless it was `required`.
    ///
    /// # Errors
    /// The file can't be read or is not in the format.
    pub fn read(file: &Path, required: bool) -> Result<Self, ConfError> {
        let whole = |reason: String| ConfError {
            file: file.to_owned(),
            line: 0,
            reason,
        };
        let size = match std::fs::metadata(file) {
            Ok(metadata) => metadata.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !required => 0,
            Err(e) => return Err(whole(format!("can't be read: {e}"))),
        };
        if size > FILE_MAX {
            return Err(whole(format!("has {size} bytes; {FILE_MAX} are allowed")));
        }
        let text = match size {
            0 => String::new(),
            _ => std::fs::read_to_string(file).map_err(|e| whole(format!("can't be read: {e}")))?,
        };
        Self::parse(file, &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// The text is not in the format, or gives a key twice.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfError> {
        let mut entries = HashMap::new();
        for entry in parse::entries(text) {
            let (line, key, value) = entry.map_err(|(line, reason)| ConfError {
                file: file.to_owned(),
                line,
                reason,
            })?;
            if let Some((first, _)) = entries.get(&key) {
                let reason = format!("'{key}' was set in line {first} already");
                return Err(ConfError {
                    file: file.to_owned(),
                    line,
                    reason,
                });
            }
            entries.insert(key, (line, value));
        }
        Ok(Self {
            file: file.to_owned(),
            entries,
        })
    }

    /// A text.
    ///
    /// # Errors
    /// The value is of another kind.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, ConfError> {
        self.typed(key, "a text in quotes", |value| match value {
            Value::Text(text) => Some(text),
            _ => None,
        })
    }

    /// A list of texts; a single text counts as a list of one, as libvirt has it.
    ///
    /// # Errors
    /// The value is of another kind.
    pub fn list(&mut self, key: &str) -> Result<Option<Vec<String>>, ConfError> {
        self.typed(key, "a list of texts", |value| match value {
            Value::List(list) => Some(list),
            Value::Text(text) => Some(vec![text]),
            Value::Integer(_) => None,
        })
    }

    /// A number.
    ///
    /// # Errors
    /// The value is of another kind or out of the type's range.
    pub fn number<N: TryFrom<i64>>(&mut self, key: &str) -> Result<Option<N>, ConfError> {
        let line = self.line(key);
        match self.typed(key, "a number", |value| match value {
            Value::Integer(n) => Some(n),
            _ => None,
        })? {
            None => Ok(None),
            Some(n) => N::try_from(n)
                .map(Some)
                .map_err(|_| self.error(line, format!("'{key}' is {n}, which is out of range"))),
        }
    }

    /// A switch: 0 or 1.
    ///
    /// # Errors
    /// The value is anything else.
    pub fn switch(&mut self, key: &str) -> Result<Option<bool>, ConfError> {
        let line = self.line(key);
        match self.number::<i64>(key)? {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(n) => Err(self.error(line, format!("'{key}' is {n}; it is 0 (off) or 1 (on)"))),
        }
    }

    /// A text out of a closed set; `choices` gives the words with what they stand for.
    ///
    /// # Errors
    /// The value is not one of the words.
    pub fn choice<T: Copy>(
        &mut self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, ConfError> {
        let line = self.line(key);
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, meant)| Some(*meant))
            .ok_or_else(|| {
                let words: Vec<_> = choices
                    .iter()
                    .map(|(word, _)| format!("\"{word}\""))
                    .collect();
                self.error(
                    line,
                    format!("'{key}' is \"{text}\"; it is one of {}", words.join(", ")),
                )
            })
    }

    /// File permissions, written as an octal text such as `"0770"`.
    ///
    /// # Errors
    /// The value is not octal or has bits beyond 0777.
    pub fn mode(&mut self, key: &str) -> Result<Option<u32>, ConfError> {
        let line = self.line(key);
        match self.text(key)? {
            None => Ok(None),
            Some(text) => match u32::from_str_radix(&text, 8) {
                Ok(mode) if mode <= 0o777 => Ok(Some(mode)),
                _ => Err(self.error(
                    line,
                    format!("'{key}' is \"{text}\"; it is an octal mode such as \"0700\""),
                )),
            },
        }
    }

    /// Takes out a key whose value does not matter here; true when it was there.
    pub fn take(&mut self, key: &str) -> Option<(usize, Value)> {
        self.entries.remove(key)
    }

    /// Refuses whatever key is left.
    ///
    /// # Errors
    /// Names the first key nobody knows.
    pub fn finish(self) -> Result<(), ConfError> {
        match self.entries.iter().min_by_key(|(_, (line, _))| *line) {
            None => Ok(()),
            Some((key, (line, _))) => Err(self.error(*line, format!("unknown key '{key}'"))),
        }
    }

    /// The line of a key that is still there; 0 otherwise.
    pub fn line(&self, key: &str) -> usize {
        self.entries.get(key).map_or(0, |(line, _)| *line)
    }

    /// An error in this file.
    pub fn error(&self, line: usize, reason: impl Into<String>) -> ConfError {
        ConfError {
            file: self.file.clone(),
            line,
            reason: reason.into(),
        }
    }

    fn typed<T>(
        &mut self,
        key: &str,
        wanted: &str,
        convert: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, ConfError> {
        let Some((line, value)) = self.entries.remove(key) else {
            return Ok(None);
        };
        let kind = value.kind();
        match convert(value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.error(line, format!("'{key}' is {kind}; it has to be {wanted}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Result<Document, ConfError> {
        Document::parse(Path::new("x.conf"), text)
    }

    #[test]
    fn values_come_out_typed() {
        let mut document = document(
            "# comment\nn = 5\nneg=-1\ns = \"a # b\"\nq = 'x'\nl = [\n \"a\", # one\n \"b\",\n]\n\
             mode = \"0770\"\nlong = \"\"\"two\nlines\"\"\"\n",
        )
        .unwrap();
        assert_eq!(document.number::<u32>("n").unwrap(), Some(5));
        assert_eq!(document.number::<i32>("neg").unwrap(), Some(-1));
        assert_eq!(document.text("s").unwrap().as_deref(), Some("a # b"));
        assert_eq!(document.text("q").unwrap().as_deref(), Some("x"));
        assert_eq!(document.list("l").unwrap().unwrap(), ["a", "b"]);
        assert_eq!(document.mode("mode").unwrap(), Some(0o770));
        assert_eq!(
            document.text("long").unwrap().as_deref(),
            Some("two\nlines")
        );
        document.finish().unwrap();
    }

    #[test]
    fn an_unknown_key_names_file_line_and_key() {
        let error = document("a = 1\nmax_cilents = 3\n").unwrap();
        let mut error = error;
        error.take("a");
        assert_eq!(
            error.finish().unwrap_err().to_string(),
            "x.conf:2: unknown key 'max_cilents'"
        );
    }

    #[test]
    fn a_bad_value_names_what_is_allowed() {
        let mut one = document("a = 7\n").unwrap();
        assert_eq!(
            one.switch("a").unwrap_err().to_string(),
            "x.conf:1: 'a' is 7; it is 0 (off) or 1 (on)"
        );
        let mut two = document("\n\na = \"tls\"\n").unwrap();
        assert_eq!(
            two.choice("a", &[("none", 0), ("polkit", 1)])
                .unwrap_err()
                .to_string(),
            "x.conf:3: 'a' is \"tls\"; it is one of \"none\", \"polkit\""
        );
        let mut three = document("a = 70000").unwrap();
        assert!(three.number::<u16>("a").is_err());
    }

    #[test]
    fn what_is_not_the_format_is_refused_with_its_line() {
        for (text, line) in [
            ("a", 1),
            ("\na = ", 2),
            ("a = \"x\nb = 1", 1),
            ("a = [\n\"x\"", 2),
            ("a = 1 b = 2", 1),
            ("a = 1\na = 2", 2),
            ("a = 99999999999999999999", 1),
        ] {
            assert_eq!(document(text).unwrap_err().line, line, "{text:?}");
        }
    }
}
