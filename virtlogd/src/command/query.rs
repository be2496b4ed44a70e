//! `virtlogd query`: the records that are kept, as far as they are asked for.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lexopt::prelude::*;
use serde_json::Value as Json;
use virt_daemon::Paths;
use virt_daemon::conf::Document;
use virt_rpc::protocol::records::Priority;

use crate::limits::Limits;
use crate::records::reader::Reader;
use crate::records::stored::{Stored, moment};

const HELP: &str = "Usage: virtlogd query [OPTION]...

Shows what happened on this host, the oldest first, as virtlogd keeps it.

  --guest NAME|UUID   of this guest
  --since TIME        from then on: 2026-01-31, 2026-01-31T09:05:00 (UTC), or an age such as
                      90s, 15m, 2h, 7d
  --until TIME        up to then
  --priority WORD     this or more important: debug, info, warning, error
  --field KEY=VALUE   with this field (several must all be there); * as VALUE: whatever it is
  --json              whole records, a JSON object a line
  --folder DIR        records of that folder rather than of the running host
  --root DIR, --session  as for the daemon
";

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    guest: Option<String>,
    since: Option<String>,
    until: Option<String>,
    priority: Option<Priority>,
    fields: Vec<(String, String)>,
}

impl Filter {
    /// Whether a record is asked for.
    pub(crate) fn takes(&self, record: &Stored<'_>) -> bool {
        let of_guest = |wanted: &String| {
            let same = |known: &Option<_>| known.as_deref() == Some(wanted.as_str());
            same(&record.guest) || same(&record.uuid)
        };
        self.guest.as_ref().is_none_or(of_guest)
            && self
                .since
                .as_deref()
                .is_none_or(|since| &*record.time >= since)
            && self
                .until
                .as_deref()
                .is_none_or(|until| &*record.time < until)
            && self.priority.is_none_or(|from| record.level() >= from)
            && (self.fields.is_empty() || has_all(record, &self.fields))
    }
}

fn has_all(record: &Stored<'_>, wanted: &[(String, String)]) -> bool {
    // All of them are named as in the file.
    let Ok(Json::Object(all)) = serde_json::to_value(record) else {
        return false;
    };
    wanted.iter().all(|(key, value)| {
        let found = all.get(key).or_else(|| record.fields.get(key));
        found.is_some_and(|found| match found {
            _ if value == "*" => true,
            Json::String(text) => text == value,
            other => serde_json::from_str::<Json>(value).is_ok_and(|value| value == *other),
        })
    })
}

pub(super) fn run(arguments: Vec<OsString>) -> Result<(), String> {
    let mut filter = Filter::default();
    let (mut json, mut session) = (false, false);
    let (mut root, mut folder) = (None, None);
    let mut parser = lexopt::Parser::from_args(arguments);
    let now = SystemTime::now();
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        let text = |parser: &mut lexopt::Parser| {
            let value = parser.value().map_err(|e| e.to_string())?;
            value
                .into_string()
                .map_err(|value| format!("{value:?} is no text"))
        };
        match argument {
            Long("guest") => filter.guest = Some(text(&mut parser)?),
            Long("since") => filter.since = Some(time(&text(&mut parser)?, now)?),
            Long("until") => filter.until = Some(time(&text(&mut parser)?, now)?),
            Long("priority") => filter.priority = Some(Priority::parse(&text(&mut parser)?)?),
            Long("field") => {
                let field = text(&mut parser)?;
                let (key, value) = field
                    .split_once('=')
                    .ok_or_else(|| format!("--field '{field}' is not of the form KEY=VALUE"))?;
                filter.fields.push((key.to_owned(), value.to_owned()));
            }
            Long("json") => json = true,
            Long("session") => session = true,
            Long("root") => root = Some(PathBuf::from(text(&mut parser)?)),
            Long("folder") => folder = Some(PathBuf::from(text(&mut parser)?)),
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let folder = match folder {
        Some(folder) => folder,
        None => kept_in(&Paths::of_user(root.as_deref(), session)?)?,
    };
    match show(&folder, &filter, json) {
        // Who reads has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown.map_err(|e| format!("records in '{}': {e}", folder.display())),
    }
}

fn show(folder: &Path, filter: &Filter, json: bool) -> io::Result<()> {
    let mut reader = Reader::open(folder)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    while let Some(record) = reader.next_record()? {
        if !filter.takes(&record) {
            continue;
        }
        match json {
            true => {
                let mut line = Vec::new();
                record.push(&mut line);
                out.write_all(&line)?;
            }
            false => writeln!(out, "{}", line(&record))?,
        }
    }
    if reader.broken() > 0 {
        eprintln!("virtlogd: {} lines are no records", reader.broken());
    }
    out.flush()
}

/// A record for people, as one line whatever its texts hold.
pub(crate) fn line(record: &Stored<'_>) -> String {
    let mut line = format!(
        "{} {} {}[{}]: {}",
        record.time,
        record.priority,
        record.daemon.escape_debug(),
        record.pid,
        shown(&record.message)
    );
    let mut add = |name: &str, value: &str| {
        let value = shown(value);
        line.push_str(&match value.contains([' ', '"']) || value.is_empty() {
            true => format!(" {name}={:?}", value),
            false => format!(" {name}={value}"),
        });
    };
    if let Some(guest) = &record.guest {
        add("guest", guest);
    }
    if let Some(connection) = record.connection {
        add("connection", &connection.to_string());
    }
    if let Some(procedure) = &record.procedure {
        add("procedure", procedure);
    }
    if let Some(duration) = record.duration_us {
        add("duration", &format!("{duration}us"));
    }
    if let (Some(domain), Some(code)) = (record.error_domain, record.error_code) {
        add("domain", &domain.to_string());
        add("code", &code.to_string());
    }
    for (name, value) in &record.fields {
        match value {
            Json::String(text) => add(&shown(name), text),
            other => add(&shown(name), &other.to_string()),
        }
    }
    line
}

/// A text without anything that a terminal would take for more.
pub(super) fn shown(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\'' | '\\' => vec![c],
        c => c.escape_debug().collect(),
    };
    text.chars().flat_map(escape).collect()
}

/// The folder of logs, as the daemon's own configuration says.
pub(super) fn kept_in(paths: &Paths) -> Result<PathBuf, String> {
    let file = paths.config.join("virtlogd.conf");
    let mut document = Document::read(&file, false).map_err(|e| e.to_string())?;
    let limits = Limits::read(&mut document, paths).map_err(|e| e.to_string())?;
    Ok(limits.root)
}

/// A time as records have it.
fn time(text: &str, now: SystemTime) -> Result<String, String> {
    let wrong = || {
        format!(
            "'{text}' is no time: 2026-01-31, 2026-01-31T09:05:00 or an age such as 90s, 15m, 2h, 7d"
        )
    };
    if let Some((count, unit)) = text.split_at_checked(text.len().saturating_sub(1)) {
        let seconds = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(60 * 60),
            "d" => Some(24 * 60 * 60),
            _ => None,
        };
        if let (Some(seconds), Ok(count)) = (seconds, count.parse::<u64>()) {
            let age = Duration::from_secs(count.checked_mul(seconds).ok_or_else(wrong)?);
            let since = now.checked_sub(age).unwrap_or(UNIX_EPOCH);
            let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
            return Ok(moment(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)));
        }
    }
    let text = text.trim_end_matches('Z').replace(' ', "T");
    // Digits where the pattern has them; what is left out is a zero, for later is greater as a text.
    const PATTERN: &str = "0000-00-00T00:00:00.000000000";
    let fits = |(given, wanted): (char, char)| match wanted {
        '0' => given.is_ascii_digit(),
        other => given == other,
    };
    let whole = [10, 13, 16, 19].contains(&text.len()) || (21..=29).contains(&text.len());
    if !whole || !text.chars().zip(PATTERN.chars()).all(fits) {
        return Err(wrong());
    }
    Ok(format!("{text}{}Z", &PATTERN[text.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_or_ages() {
        let now = UNIX_EPOCH + Duration::from_secs(1_769_850_300);
        assert_eq!(time("90s", now).unwrap(), "2026-01-31T09:03:30.000000000Z");
        assert_eq!(time("1d", now).unwrap(), "2026-01-30T09:05:00.000000000Z");
        for text in ["2026-01-31", "2026-01-31T00", "2026-01-31 00:00:00Z"] {
            assert_eq!(time(text, now).unwrap(), "2026-01-31T00:00:00.000000000Z");
        }
        for text in ["", "yesterday", "2026-1-31", "99999999999999999999d", "d"] {
            assert!(
                time(text, now).unwrap_err().contains("is no time"),
                "{text}"
            );
        }
    }
}
