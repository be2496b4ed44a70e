//! A record of what the program told `tracing`.
//!
//! Fields of an event or of the span of its call that have a place in a [`Record`] are recognised by
//! their names, which are the constants here; all others keep theirs.

use std::fmt::{Debug, Write};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};
use virt_rpc::protocol::Program;
use virt_rpc::protocol::records::{
    FIELDS_MAX, Guest, Kind, MESSAGE_MAX, Numbers, Origin, Priority, Record, VALUE_MAX, Word,
};

/// Categories whose events are facts: they reach virtlogd whatever the log level is.
pub const FACTS: &[&str] = &["guest", "access"];

/// Whether what is told under that category is a fact.
pub(super) fn is_fact(category: &str) -> bool {
    FACTS.contains(&category)
}

/// The level of an event in libvirt's terms.
pub(super) fn priority(metadata: &Metadata<'_>) -> Priority {
    match *metadata.level() {
        tracing::Level::ERROR => Priority::Error,
        tracing::Level::WARN => Priority::Warning,
        tracing::Level::INFO => Priority::Info,
        _ => Priority::Debug,
    }
}

/// Nanoseconds since the epoch, now.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// What the span of a call carries.
#[derive(Debug, Clone, Default)]
pub(super) struct CallData {
    connection: u64,
    program: u32,
    procedure: i32,
    guest: Option<Guest>,
}

impl CallData {
    /// The call, as it is told.
    fn origin(&self) -> Origin {
        let row = Program::from_number(self.program).and_then(|all| all.row(self.procedure));
        Origin {
            connection: self.connection,
            procedure: row.map_or(Word::Borrowed(""), |row| Word::Borrowed(row.name)),
        }
    }

    fn guest(&mut self) -> &mut Guest {
        self.guest.get_or_insert_with(nobody)
    }
}

impl Visit for CallData {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "connection" => self.connection = value,
            "program" => self.program = u32::try_from(value).unwrap_or_default(),
            _ => {}
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if field.name() == "procedure" {
            self.procedure = i32::try_from(value).unwrap_or_default();
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        if field.name() == "guest.uuid" {
            self.guest().uuid = value.to_be_bytes();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "guest.name" {
            self.guest().name = cut(value.to_owned(), VALUE_MAX);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// A fact that is no event of `tracing`: it carries more than names and values. It goes to virtlogd alone.
#[track_caller]
pub fn fact(category: &'static str, message: String) -> Record {
    let place = std::panic::Location::caller();
    Record {
        time: now(),
        kind: Kind::Fact,
        file: Word::Borrowed(place.file()),
        line: place.line(),
        function: Word::Borrowed(category),
        thread: rustix::thread::gettid().as_raw_nonzero().get(),
        ..Record::new(category, message)
    }
}

/// The event with what the call knows in which it happened.
pub(super) fn record(event: &Event<'_>, call: Option<&CallData>) -> Record {
    let metadata = event.metadata();
    let mut record = Record {
        time: now(),
        priority: priority(metadata),
        kind: match is_fact(metadata.target()) {
            true => Kind::Fact,
            false => Kind::Message,
        },
        file: Word::Borrowed(metadata.file().unwrap_or_default()),
        line: metadata.line().unwrap_or_default(),
        function: Word::Borrowed(metadata.module_path().unwrap_or_default()),
        thread: rustix::thread::gettid().as_raw_nonzero().get(),
        guest: call.and_then(|call| call.guest.clone()),
        origin: call.map(CallData::origin),
        ..Record::new(metadata.target(), "")
    };
    event.record(&mut Fields(&mut record));
    record.message = cut(record.message, MESSAGE_MAX);
    record
}

struct Fields<'a>(&'a mut Record);

impl Fields<'_> {
    fn add(&mut self, name: &'static str, value: String) {
        if self.0.fields.len() < FIELDS_MAX {
            let value = cut(value, VALUE_MAX);
            self.0.fields.push((Word::Borrowed(name), value));
        }
    }

    fn numbers(&mut self) -> &mut Numbers {
        self.0.error.get_or_insert(Numbers { domain: 0, code: 0 })
    }
}

impl Visit for Fields<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        let small = i32::try_from(value).unwrap_or_default();
        match field.name() {
            "error_domain" => self.numbers().domain = small,
            "error_code" => self.numbers().code = small,
            name => self.add(name, value.to_string()),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "duration" => self.0.duration = Some(value),
            name => self.add(name, value.to_string()),
        }
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        match field.name() {
            "guest.uuid" => {
                self.0.guest.get_or_insert_with(nobody).uuid = value.to_be_bytes();
            }
            name => self.add(name, value.to_string()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.0.message.push_str(value),
            "guest.name" => {
                self.0.guest.get_or_insert_with(nobody).name = cut(value.to_owned(), VALUE_MAX);
            }
            name => self.add(name, value.to_owned()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a String can't fail.
        match field.name() {
            "message" => {
                let _ = write!(self.0.message, "{value:?}");
            }
            // As most of the program names a guest.
            "guest" => {
                self.0.guest.get_or_insert_with(nobody).name = cut(format!("{value:?}"), VALUE_MAX);
            }
            name => self.add(name, format!("{value:?}")),
        }
    }
}

const fn nobody() -> Guest {
    Guest {
        uuid: [0; 16],
        name: String::new(),
    }
}

/// At most `max` bytes of a text, whole characters.
pub fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        // The start of a text is a boundary.
        let end = (0..=max).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
    }
    text
}
