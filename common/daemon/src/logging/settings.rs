//! The notation of `log_filters` and `log_outputs`.

use std::fmt;
use std::path::PathBuf;

use virt_rpc::protocol::records::Priority;

/// `N:pattern`: messages of matching categories are kept from level N on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// From here on.
    pub priority: Priority,
    /// Part of the category, or a glob when it has a `*`.
    pub pattern: String,
}

impl Filter {
    /// Whether the filter is about this category.
    pub fn matches(&self, category: &str) -> bool {
        match self.pattern.contains('*') {
            true => glob(self.pattern.as_bytes(), category.as_bytes()),
            false => category.contains(&self.pattern),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.priority as u8, self.pattern)
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        Some((b'?', rest)) => !text.is_empty() && glob(rest, &text[1..]),
        Some((byte, rest)) => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard error.
    Stderr,
    /// A file, by its absolute path.
    File(PathBuf),
    /// The journal, by its native protocol.
    Journald,
    /// The local syslog daemon, under a name.
    Syslog(String),
    /// virtlogd, which has outputs of its own and keeps what it gets.
    Virtlogd,
}

/// `N:target`: messages from level N on go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// From here on.
    pub priority: Priority,
    /// There.
    pub target: Target,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority as u8)?;
        match &self.target {
            Target::Stderr => f.write_str("stderr"),
            Target::File(path) => write!(f, "file:{}", path.display()),
            Target::Journald => f.write_str("journald"),
            Target::Syslog(ident) => write!(f, "syslog:{ident}"),
            Target::Virtlogd => f.write_str("virtlogd"),
        }
    }
}

/// Longest pattern taken: matching a glob must not cost more than writing the message.
const PATTERN_MAX: usize = 128;

/// Reads blank-separated filters.
pub(super) fn filters(text: Option<&str>) -> Result<Vec<Filter>, String> {
    words(text.unwrap_or_default(), "log filter")
        .map(|word| {
            let (priority, pattern) = word?;
            // A '+' in front once asked for stack traces; libvirt ignores it today.
            let pattern = pattern.strip_prefix('+').unwrap_or(pattern);
            // More than a few stars make a pattern's cost explode and mean nothing.
            if pattern.is_empty() || pattern.len() > PATTERN_MAX || pattern.matches('*').count() > 4
            {
                return Err(format!("'{pattern}' is no pattern for a log filter"));
            }
            Ok(Filter {
                priority,
                pattern: pattern.to_owned(),
            })
        })
        .collect()
}

/// Reads blank-separated outputs.
pub(super) fn outputs(text: &str) -> Result<Vec<Output>, String> {
    words(text, "log output")
        .map(|word| {
            let (priority, target) = word?;
            let target = match target.split_once(':') {
                None if target == "stderr" => Target::Stderr,
                None if target == "journald" => Target::Journald,
                Some(("file", path)) if path.starts_with('/') => Target::File(path.into()),
                Some(("file", path)) => {
                    return Err(format!("log output 'file:{path}' needs an absolute path"));
                }
                None if target == "virtlogd" => Target::Virtlogd,
                Some(("syslog", ident)) if !ident.is_empty() => Target::Syslog(ident.to_owned()),
                Some(("syslog", _)) => {
                    return Err("log output 'syslog:' needs a name behind the colon".to_owned());
                }
                _ => {
                    return Err(format!(
                        "'{target}' is no log output; stderr, journald, syslog:name, \
                         file:/path and virtlogd are"
                    ));
                }
            };
            Ok(Output { priority, target })
        })
        .collect()
}

fn words<'a>(
    text: &'a str,
    what: &'a str,
) -> impl Iterator<Item = Result<(Priority, &'a str), String>> {
    text.split_whitespace().map(move |word| {
        let (level, rest) = word
            .split_once(':')
            .ok_or_else(|| format!("{what} '{word}' is not of the form LEVEL:NAME"))?;
        Ok((Priority::parse(level)?, rest))
    })
}

/// The canonical text of a list.
pub(super) fn join<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items
        .into_iter()
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_round_trip() {
        let text = "1:qmp 3:rpc*server";
        assert_eq!(join(filters(Some(text)).unwrap()), text);
        let text = "3:stderr 1:file:/var/log/x.log 2:journald 3:syslog:virtd 3:virtlogd";
        assert_eq!(join(outputs(text).unwrap()), text);
    }

    #[test]
    fn a_star_makes_a_glob_and_its_absence_a_part() {
        let filter = |pattern: &str| Filter {
            priority: Priority::Debug,
            pattern: pattern.into(),
        };
        assert!(filter("qmp").matches("virtqemud::qmp::client"));
        assert!(filter("virt*client").matches("virtqemud::qmp::client"));
        assert!(!filter("qmp*").matches("virtqemud::qmp::client"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(outputs("3:tape").unwrap_err().contains("tape"));
        assert!(outputs("3:file:rel").unwrap_err().contains("absolute"));
        assert!(filters(Some("9:x")).unwrap_err().contains('9'));
        assert!(filters(Some("x")).unwrap_err().contains("LEVEL:NAME"));
    }
}
