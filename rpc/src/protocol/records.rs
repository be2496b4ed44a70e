//! Program 0x7669_7263, our own: what happens in the daemons, as records with typed fields, sent to
//! virtlogd.
//!
//! A daemon sends batches, one at a time, each after the one before was answered: the answer says that
//! the records are written. A batch whose answer never came is sent again, so that a record may come
//! twice; its [`Source`] and number tell.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use virt_rpc_derive::procedures;

use super::audit::Audit;
use super::{Row, Visitor, table};
use crate::codec::Internal;

/// Most records of one batch.
pub const BATCH_MAX: usize = 4096;
/// Longest message, in bytes; what is longer is cut by the sender.
pub const MESSAGE_MAX: usize = 64 * 1024;
/// Longest name or value beside the message, in bytes.
pub const VALUE_MAX: usize = 4096;
/// Most fields beside those that have a place of their own.
pub const FIELDS_MAX: usize = 32;

/// A text that is the program's own where it was written, and read elsewhere.
pub type Word = Cow<'static, str>;

/// How important a message is; the numbers are libvirt's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Priority {
    /// 1
    Debug = 1,
    /// 2
    Info = 2,
    /// 3
    Warning = 3,
    /// 4
    Error = 4,
}

impl Priority {
    /// All, from the least important on.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warning, Self::Error];

    /// Reads `1` to `4`, or the words LIBVIRT_DEBUG also takes.
    ///
    /// # Errors
    /// Anything else, named.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "1" | "debug" => Ok(Self::Debug),
            "2" | "info" => Ok(Self::Info),
            "3" | "warning" => Ok(Self::Warning),
            "4" | "error" => Ok(Self::Error),
            _ => Err(format!(
                "'{text}' is no log level; 1 (debug), 2 (info), 3 (warning) and 4 (error) are"
            )),
        }
    }

    /// libvirt's word, as it stands in a log line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// syslog's number (WIRE.md section 21).
    pub const fn syslog(self) -> u8 {
        match self {
            Self::Debug => 7,
            Self::Info => 6,
            Self::Warning => 4,
            Self::Error => 3,
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a record is, and so whether it is kept whatever a daemon's log level says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// What a program says of itself: sent where the daemon's `log_outputs` say so.
    #[default]
    Message,
    /// What happened to a guest, or was refused to someone: always sent.
    Fact,
}

/// Whom a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Its name; empty when only the UUID is known.
    pub name: String,
}

/// The call in which something happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The client's number, as `virt-admin client-list` shows it.
    pub connection: u64,
    /// The procedure: `REMOTE_PROC_DOMAIN_CREATE`.
    pub procedure: Word,
}

/// An error's numbers, as clients get them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// libvirt's error domain.
    pub domain: i32,
    /// libvirt's error code.
    pub code: i32,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Nanoseconds since the epoch.
    pub time: u64,
    /// How important it is.
    pub priority: Priority,
    /// What it is.
    pub kind: Kind,
    /// The log category, that filters are matched against.
    pub category: Word,
    /// Where in the source it was told; empty when unknown.
    pub file: Word,
    /// The line there.
    pub line: u32,
    /// The function, as far as it is known: its module.
    pub function: Word,
    /// The thread's number.
    pub thread: i32,
    /// For people.
    pub message: String,
    /// The error's numbers.
    pub error: Option<Numbers>,
    /// The guest.
    pub guest: Option<Guest>,
    /// The call.
    pub origin: Option<Origin>,
    /// How long what is told of took, in nanoseconds.
    pub duration: Option<u64>,
    /// What else is known, by name.
    pub fields: Vec<(Word, String)>,
    /// What the kernel's audit trail gets of it.
    pub audit: Option<Box<Audit>>,
}

impl Record {
    /// A message of that category with nothing beside it, neither time nor place.
    pub fn new(category: impl Into<Word>, message: impl Into<String>) -> Self {
        Self {
            time: 0,
            priority: Priority::Info,
            kind: Kind::Message,
            category: category.into(),
            file: Word::Borrowed(""),
            line: 0,
            function: Word::Borrowed(""),
            thread: 0,
            message: message.into(),
            error: None,
            guest: None,
            origin: None,
            duration: None,
            fields: Vec::new(),
            audit: None,
        }
    }

    /// Bytes that it takes in memory, about.
    pub fn weight(&self) -> usize {
        let guest = self.guest.as_ref().map_or(0, |guest| guest.name.len());
        let fields = self.fields.iter();
        let fields: usize = fields
            .map(|(name, value)| name.len() + value.len() + size_of::<(Word, String)>())
            .sum();
        let audit = self.audit.as_ref().map_or(0, |audit| audit.weight());
        size_of::<Self>() + self.message.len() + guest + fields + audit
    }

    /// Whether it keeps to the bounds of this protocol.
    pub fn is_bounded(&self) -> bool {
        let short = |text: &str| text.len() <= VALUE_MAX;
        self.message.len() <= MESSAGE_MAX
            && self.fields.len() <= FIELDS_MAX
            && [&self.category, &self.file, &self.function]
                .into_iter()
                .all(|text| short(text))
            && self.guest.iter().all(|guest| short(&guest.name))
            && self.origin.iter().all(|origin| short(&origin.procedure))
            && self
                .fields
                .iter()
                .all(|(name, value)| short(name) && short(value))
            && self.audit.iter().all(|audit| audit.is_bounded())
    }
}

/// A program from its start to its end or to its replacement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The daemon's name.
    pub daemon: Word,
    /// Its process.
    pub pid: u32,
    /// When it began, in nanoseconds since the epoch: with the process's number it is no other one.
    pub since: u64,
}

/// Records in the order in which they were told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Whose.
    pub source: Source,
    /// The number of the first one; the others follow without a gap. The source's first is 1.
    pub first: u64,
    /// Records of the source that were lost so far, in all.
    pub lost: u64,
    /// They.
    pub records: Vec<Record>,
}

/// Records of one daemon and priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The daemon.
    pub daemon: String,
    /// The priority.
    pub priority: Priority,
    /// How many came.
    pub records: u64,
}

/// What became of records since virtlogd's program began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsFigures {
    /// Those that came.
    pub counted: Vec<Counted>,
    /// Those that daemons say they could not send, by daemon.
    pub lost: Vec<(String, u64)>,
    /// Batches that were written.
    pub batches: u64,
    /// Bytes that were written into the file of records.
    pub bytes: u64,
    /// Attempts to write to it that failed.
    pub failures: u64,
    /// How often it became a backup.
    pub rotated: u64,
    /// Records that an output of `log_outputs` did not take.
    pub not_shown: u64,
    /// Nanoseconds between the last record's time and its being written.
    pub lag_ns: u64,
    /// The most that this was.
    pub lag_max_ns: u64,
}

/// The pipes that virtlogd has handed out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipesFigures {
    /// Logs that are open.
    pub open: u64,
    /// Bytes that were moved into files.
    pub moved: u64,
    /// How often a log became a backup.
    pub rotated: u64,
    /// Bytes that were thrown away, since their file could not be written.
    pub dropped: u64,
}

/// What became of audit records since virtlogd's program began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditFigures {
    /// The kernel has them.
    pub written: u64,
    /// It refused them.
    pub refused: u64,
    /// Why none can be written to the kernel; nothing where they can.
    pub closed: Option<String>,
}

/// What virtlogd counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Guests' output.
    pub pipes: PipesFigures,
    /// Records.
    pub records: RecordsFigures,
    /// The kernel's audit trail.
    pub audit: AuditFigures,
}

procedures! {
    program Records "VIRT_RECORDS_PROC_";

    // Answered when they are written, or have been before.
    1 WRITE Write
        high own allow []
        (batch: Internal<Batch>);

    2 STATISTICS GetStatistics
        low own allow []
        ()
        -> (statistics: Internal<Statistics>);
}

/// Every procedure, in the order of their numbers, which start at 1.
pub static TABLE: &[&Row] = &table::merge::<2>(&[ROWS]);

/// Shows the type of every procedure to `visitor`.
pub fn visit_all<V: Visitor + ?Sized>(visitor: &mut V) {
    visit(visitor);
}
