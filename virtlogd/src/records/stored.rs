//! A record as it is kept: one line of JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use virt_daemon::logging::hyphenated;
use virt_rpc::protocol::records::{Kind, Priority, Record, Source};

/// The line. Texts are JSON's strings, so that nothing in them can look like another record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored<'a> {
    /// `2026-01-31T09:05:00.042000000Z`: later is greater, also as a text.
    pub time: Cow<'a, str>,
    /// libvirt's word: `debug`, `info`, `warning`, `error`.
    pub priority: Cow<'a, str>,
    /// Who tells.
    pub daemon: Cow<'a, str>,
    /// Its process.
    pub pid: u32,
    /// When that program began; with the process and the number it tells a record that came twice.
    pub since: u64,
    /// The number of the record.
    pub number: u64,
    /// Whether it is something that happened to a guest or was refused to someone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fact: bool,
    /// The log category.
    pub category: Cow<'a, str>,
    /// For people.
    pub message: Cow<'a, str>,
    /// The guest's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Cow<'a, str>>,
    /// The guest's UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Cow<'a, str>>,
    /// The client's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// The procedure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub procedure: Option<Cow<'a, str>>,
    /// Microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// libvirt's error domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_domain: Option<i32>,
    /// libvirt's error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<i32>,
    /// Where in the source.
    pub file: Cow<'a, str>,
    /// The line there.
    pub line: u32,
    /// The thread.
    pub thread: i32,
    /// What else is known.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl<'a> Stored<'a> {
    /// The record of that number.
    pub fn new(source: &'a Source, number: u64, record: &'a Record) -> Self {
        let guest = record.guest.as_ref();
        let origin = record.origin.as_ref();
        let field = |(name, value): &(Cow<'_, str>, String)| {
            (name.clone().into_owned(), Value::String(value.clone()))
        };
        Self {
            time: moment(record.time).into(),
            priority: record.priority.word().into(),
            daemon: (&*source.daemon).into(),
            pid: source.pid,
            since: source.since,
            number,
            fact: matches!(record.kind, Kind::Fact),
            category: (&*record.category).into(),
            message: (&*record.message).into(),
            guest: guest.map(|guest| (&*guest.name).into()),
            uuid: guest
                .filter(|guest| guest.uuid != [0; 16])
                .map(|guest| hyphenated(&guest.uuid).into()),
            connection: origin.map(|origin| origin.connection),
            procedure: origin.map(|origin| (&*origin.procedure).into()),
            duration_us: record.duration.map(|nanoseconds| nanoseconds / 1000),
            error_domain: record.error.map(|error| error.domain),
            error_code: record.error.map(|error| error.code),
            file: (&*record.file).into(),
            line: record.line,
            thread: record.thread,
            fields: record.fields.iter().map(field).collect(),
        }
    }

    /// Appends the line.
    pub fn push(&self, out: &mut Vec<u8>) {
        // Texts and numbers have a form in JSON, and memory takes any bytes.
        let _ = serde_json::to_writer(&mut *out, self);
        out.push(b'\n');
    }

    /// How important it is.
    pub fn level(&self) -> Priority {
        Priority::parse(&self.priority).unwrap_or(Priority::Error)
    }
}

/// Nanoseconds since the epoch as [`Stored::time`] has them.
pub fn moment(nanoseconds: u64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds.into());
    // Years up to 2554 fit into the number.
    let time = time.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.nanosecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use virt_rpc::protocol::records::{Guest, Numbers, Origin};

    #[test]
    fn a_record_is_one_line_and_comes_back() {
        let record = Record {
            time: 1_769_850_300_042_000_007,
            kind: Kind::Fact,
            file: "x.rs".into(),
            line: 7,
            function: "x".into(),
            thread: 9,
            error: Some(Numbers {
                domain: 10,
                code: 1,
            }),
            guest: Some(Guest {
                uuid: [0xab; 16],
                name: "a\",\"pid\":0,\"x\":\"".to_owned(),
            }),
            origin: Some(Origin {
                connection: 3,
                procedure: "P".into(),
            }),
            duration: Some(5000),
            fields: vec![("reason".into(), "crashed\r\n".to_owned())],
            ..Record::new("guest", "evil\n{\"time\":\"1\"}\u{1b}")
        };
        let source = Source {
            daemon: "virtqemud".into(),
            pid: 77,
            since: 5,
        };
        let stored = Stored::new(&source, 4, &record);
        let mut line = Vec::new();
        stored.push(&mut line);
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(!line.contains(&0x1b));
        let read: Stored<'_> = serde_json::from_slice(&line).unwrap();
        assert_eq!(read, stored);
        assert_eq!(read.time, "2026-01-31T09:05:00.042000007Z");
        assert_eq!(read.uuid.unwrap(), "abababab-abab-abab-abab-abababababab");
    }
}
