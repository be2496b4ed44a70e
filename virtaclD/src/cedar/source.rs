//! Files of policies, cut into single ones, so that each is known by its file and line.

use std::fmt;
use std::path::{Path, PathBuf};

/// One policy as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub place: Place,
    /// From the end of the one before it: comments and empty lines are in front.
    pub text: String,
    /// The line in which `text` starts.
    first_line: usize,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file.display()),
            line => write!(f, "{}:{line}", self.file.display()),
        }
    }
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, and what would be right.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl Source {
    /// The place of a byte of `text`.
    pub fn place_of(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().iter().take(offset);
        Place {
            file: self.place.file.clone(),
            line: self.first_line + before.filter(|byte| **byte == b'\n').count(),
        }
    }
}

/// Cuts a file's text at the semicolons that end policies. What follows the last one is a policy of
/// its own if it is more than comments, for the reader of policies to say what is wrong with it.
pub fn cut(file: &Path, text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let (mut start, mut line, mut first_line, mut content_line) = (0, 1, 1, None);
    let mut state = State::Code;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((offset, byte)) = bytes.next() {
        match (state, byte) {
            (State::Code, b'/') if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                state = State::Comment;
            }
            (State::Code, b';') => {
                sources.push(Source {
                    place: Place {
                        file: file.to_owned(),
                        line: content_line.unwrap_or(line),
                    },
                    text: text[start..=offset].to_owned(),
                    first_line,
                });
                (start, first_line, content_line) = (offset + 1, line, None);
            }
            (State::Code, b'"') => state = State::Text,
            (State::Comment, b'\n') => state = State::Code,
            (State::Text, b'"') => state = State::Code,
            (State::Text, b'\\') => {
                // Whatever is escaped, it does not end the text.
                line += usize::from(bytes.next().is_some_and(|(_, next)| next == b'\n'));
            }
            _ => {}
        }
        if state != State::Comment && !byte.is_ascii_whitespace() && byte != b';' {
            content_line = content_line.or(Some(line));
        }
        line += usize::from(byte == b'\n');
    }
    if let Some(line) = content_line {
        sources.push(Source {
            place: Place {
                file: file.to_owned(),
                line,
            },
            text: text[start..].to_owned(),
            first_line,
        });
    }
    sources
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Code,
    Comment,
    Text,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String)> {
        cut(Path::new("x.cedar"), text)
            .into_iter()
            .map(|source| (source.place.line, source.text.trim().to_owned()))
            .collect()
    }

    #[test]
    fn semicolons_end_policies_but_not_in_texts_and_comments() {
        let text = "// a; b\n@id(\"x;\\\";\")\npermit(a);\n\n// more; \nforbid(b // ;\n);  permit(c);\n// end\n";
        let found = lines(text);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!((found[0].0, found[1].0, found[2].0), (2, 6, 7));
        assert!(found[1].1.ends_with(");"), "{found:?}");
        assert_eq!(lines("permit(a)"), [(1, "permit(a)".to_owned())]);
        assert!(lines(" \n// nothing;\n").is_empty());
    }

    #[test]
    fn a_place_in_a_policy_is_one_in_its_file() {
        let sources = cut(Path::new("x.cedar"), "permit(a);\n\nforbid(\n  b);");
        let offset = sources[1].text.find(" b").unwrap();
        assert_eq!(sources[1].place_of(offset).to_string(), "x.cedar:4");
    }
}
