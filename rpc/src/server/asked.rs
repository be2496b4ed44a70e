//! A call from its arrival to its answer: the span it is in, and what is counted of it.

use std::time::Instant;

use tracing::Span;
use tracing::field::Empty;
use virt_error::{Error, ErrorCode};

use super::CALL;
use crate::framing::{Header, Status};
use crate::protocol::Row;

/// A call that is to be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// As it came.
    pub header: Header,
    /// When.
    pub since: Instant,
}

impl Asked {
    pub(super) fn now(header: Header) -> Self {
        let since = Instant::now();
        Self { header, since }
    }

    /// The header of its answer.
    pub(super) fn reply(&self, status: Status) -> Header {
        self.header.reply(status)
    }

    /// The span in which all of it happens, in whatever task.
    pub(super) fn span(&self, client: u64) -> Span {
        span(client, self.header.prog, self.header.proc)
    }

    /// Nanoseconds until now.
    pub(super) fn duration(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The span of a call of that client's.
pub fn call_span(connection: u64, row: &Row) -> Span {
    span(connection, row.program.number(), row.number)
}

/// The row is named by numbers, and found when somebody tells something: most calls pass without.
fn span(connection: u64, program: u32, procedure: i32) -> Span {
    tracing::error_span!(
        target: CALL,
        "call",
        connection = connection,
        program = u64::from(program),
        procedure = i64::from(procedure),
        guest.name = Empty,
        guest.uuid = Empty,
    )
}

/// Errors that are everyday answers: what was asked for is not there, or not in that state (WIRE.md
/// section 21).
const EVERYDAY: &[i32] = &[
    42, 43, 49, 50, 53, 55, 57, 59, 62, 66, 72, 80, 95, 96, 101, 108, 111,
];

/// Tells the log of an error that a client gets, under libvirt's own category.
pub(super) fn tell(error: &Error, duration: u64) {
    let (domain, code) = (error.domain_number(), error.code_number());
    let code = match code {
        0 => ErrorCode::InternalError.number(),
        code => code,
    };
    if EVERYDAY.contains(&code) {
        tracing::debug!(
            target: "util.error",
            error_domain = domain,
            error_code = code,
            duration,
            "{}",
            error.message()
        );
    } else {
        tracing::error!(
            target: "util.error",
            error_domain = domain,
            error_code = code,
            duration,
            "{}",
            error.message()
        );
    }
}
