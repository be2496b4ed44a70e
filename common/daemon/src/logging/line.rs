//! A record as a line of text: the one form of it in all files, on standard error and in syslog.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use virt_rpc::protocol::records::{Record, Source};

use super::timestamp::push_timestamp;

/// A record on its way into outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    /// The record.
    pub record: &'a Record,
    /// Who tells, when it is another program than this one.
    pub source: Option<&'a Source>,
}

/// Appends `TIME: TID: LEVEL : MODULE:LINE : MESSAGE` (WIRE.md section 21) and what else is known, as
/// one line whatever its texts hold.
pub(super) fn push_line(out: &mut String, told: Told<'_>) {
    let record = told.record;
    push_timestamp(
        out,
        SystemTime::UNIX_EPOCH + Duration::from_nanos(record.time),
    );
    // Writing to a String can't fail.
    let _ = write!(
        out,
        ": {}: {} : {}:{} : ",
        record.thread,
        record.priority.word(),
        Plain(&record.category),
        record.line
    );
    push_message(out, told);
    out.push('\n');
}

/// The line without what syslog says itself.
pub(super) fn push_message(out: &mut String, told: Told<'_>) {
    let record = told.record;
    push_plain(out, &record.message);
    if let Some(guest) = &record.guest {
        push_field(out, "guest", &guest.name);
        if guest.uuid != [0; 16] {
            push_field(out, "uuid", &hyphenated(&guest.uuid));
        }
    }
    if let Some(origin) = &record.origin {
        let _ = write!(out, " connection={}", origin.connection);
        push_field(out, "procedure", &origin.procedure);
    }
    if let Some(nanoseconds) = record.duration {
        let _ = write!(out, " duration={}us", nanoseconds / 1000);
    }
    if let Some(error) = record.error {
        let _ = write!(out, " domain={} code={}", error.domain, error.code);
    }
    for (name, value) in &record.fields {
        push_field(out, name, value);
    }
    if let Some(source) = told.source {
        push_field(out, "daemon", &source.daemon);
        let _ = write!(out, " pid={}", source.pid);
    }
}

/// A UUID as people write it.
pub fn hyphenated(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in uuid.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn push_field(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    push_plain(out, name);
    out.push('=');
    let is_word = |c: char| c.is_alphanumeric() || "-_./:,@+".contains(c);
    match !value.is_empty() && value.chars().all(is_word) {
        true => out.push_str(value),
        false => {
            let _ = write!(out, "{value:?}");
        }
    }
}

struct Plain<'a>(&'a str);

impl std::fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match is_harmless(c) {
                true => f.write_char(c)?,
                false => write!(f, "{}", c.escape_default())?,
            }
        }
        Ok(())
    }
}

fn push_plain(out: &mut String, text: &str) {
    // Most texts are harmless ASCII.
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match is_harmless(c) {
            true => out.push(c),
            false => out.extend(c.escape_default()),
        }
    }
}

/// Whether a character shows itself and nothing else: no control characters, no ends of lines, nothing
/// that changes the direction of what follows.
fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
        )
        && !('\u{202a}'..='\u{202e}').contains(&c)
        && !('\u{2066}'..='\u{2069}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_rpc::protocol::records::{Guest, Numbers, Origin, Priority};

    fn record(message: &str) -> Record {
        Record {
            time: 1_769_850_300_042_000_000,
            priority: Priority::Warning,
            file: "x.rs".into(),
            line: 7,
            function: "virtd::x".into(),
            thread: 9,
            ..Record::new("virtd::x", message)
        }
    }

    fn line(record: &Record) -> String {
        let mut out = String::new();
        let source = None;
        push_line(&mut out, Told { record, source });
        out
    }

    #[test]
    fn the_line_is_libvirts_with_what_else_is_known_behind() {
        let mut record = record("it failed");
        record.guest = Some(Guest {
            uuid: [7; 16],
            name: "web".to_owned(),
        });
        record.origin = Some(Origin {
            connection: 3,
            procedure: "REMOTE_PROC_DOMAIN_CREATE".into(),
        });
        record.error = Some(Numbers {
            domain: 10,
            code: 1,
        });
        record.duration = Some(2_500_000);
        assert_eq!(
            line(&record),
            "2026-01-31 09:05:00.042+0000: 9: warning : virtd::x:7 : it failed guest=web \
             uuid=07070707-0707-0707-0707-070707070707 connection=3 \
             procedure=REMOTE_PROC_DOMAIN_CREATE duration=2500us domain=10 code=1\n"
        );
    }

    #[test]
    fn a_line_stays_one_line_whatever_it_is_made_of() {
        let evil =
            "a\n2026-01-31 09:05:00.042+0000: 1: error : x:1 : forged\r\u{1b}[2J\u{85}\u{202e}";
        let mut record = record(evil);
        record.category = evil.to_owned().into();
        record.guest = Some(Guest {
            uuid: [0; 16],
            name: format!("{evil} guest=other"),
        });
        record.fields = vec![(evil.to_owned().into(), evil.to_owned())];
        let text = line(&record);
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        let inside = text.trim_end_matches('\n');
        assert!(inside.chars().all(is_harmless), "{text:?}");
        assert!(text.contains(r"a\n2026"), "{text}");
        // What looks like another field is inside of quotes.
        assert!(text.contains(r#" guest=other""#), "{text}");
    }
}
