//! How many calls there were of each procedure, how they ended and how long they took.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::framing::Header;
use crate::protocol::{Program, Row, RowKind};

/// Upper ends of the classes of durations, in nanoseconds; what took longer is in one class more.
pub const BOUNDS: [u64; 10] = [
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    100_000_000_000,
];

/// The counts of a server.
#[derive(Debug)]
pub struct Meter {
    programs: Vec<(Program, Vec<Counts>)>,
}

/// Counts of one procedure.
#[derive(Debug, Default)]
struct Counts {
    failed: AtomicU64,
    nanoseconds: AtomicU64,
    classes: [AtomicU64; BOUNDS.len() + 1],
}

/// What is known of one procedure.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Which.
    pub row: &'static Row,
    /// Calls that were answered with an error.
    pub failed: u64,
    /// Nanoseconds that all took.
    pub nanoseconds: u64,
    /// Calls by how long they took: up to each of [`BOUNDS`], and longer.
    pub classes: [u64; BOUNDS.len() + 1],
}

impl Measured {
    /// Calls that were answered.
    pub fn calls(&self) -> u64 {
        self.classes.iter().sum()
    }
}

impl Meter {
    pub(super) fn new(programs: impl Iterator<Item = Program>) -> Self {
        let counts = |program: Program| {
            let rows = program.table().iter();
            (program, rows.map(|_| Counts::default()).collect())
        };
        Self {
            programs: programs.map(counts).collect(),
        }
    }

    /// A call was answered.
    pub(super) fn answered(&self, header: &Header, failed: bool, nanoseconds: u64) {
        let mut programs = self.programs.iter();
        let program = programs.find(|(program, _)| program.number() == header.prog);
        let place = usize::try_from(header.proc.wrapping_sub(1)).ok();
        // What no row is for is refused, and counted nowhere: clients can make up any number.
        let Some(counts) = program.and_then(|(_, counts)| counts.get(place?)) else {
            return;
        };
        let class = BOUNDS.iter().position(|bound| nanoseconds <= *bound);
        counts.classes[class.unwrap_or(BOUNDS.len())].fetch_add(1, Ordering::Relaxed);
        counts.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        if failed {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The procedures that were called.
    pub fn measured(&self) -> impl Iterator<Item = Measured> + '_ {
        let rows = self.programs.iter().flat_map(|(program, counts)| {
            let calls = program.table().iter().zip(counts);
            calls.filter(|(row, _)| row.kind == RowKind::Call)
        });
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let measured = rows.map(move |(row, counts)| Measured {
            row,
            failed: read(&counts.failed),
            nanoseconds: read(&counts.nanoseconds),
            classes: std::array::from_fn(|class| read(&counts.classes[class])),
        });
        measured.filter(|measured| measured.calls() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::{MessageKind, Status};

    #[test]
    fn a_call_is_counted_in_its_class_and_unknown_ones_are_not() {
        let meter = Meter::new([Program::Admin].into_iter());
        let header = |prog, proc| Header {
            prog,
            vers: 1,
            proc,
            kind: MessageKind::Call,
            serial: 1,
            status: Status::Ok,
        };
        let admin = Program::Admin.number();
        meter.answered(&header(admin, 1), false, 10_000);
        meter.answered(&header(admin, 1), true, u64::MAX / 2);
        for (prog, proc) in [(admin, 0), (admin, i32::MIN), (admin, 9999), (7, 1)] {
            meter.answered(&header(prog, proc), false, 1);
        }
        let all: Vec<_> = meter.measured().collect();
        assert_eq!(all.len(), 1);
        assert_eq!(
            (all[0].row.number, all[0].failed, all[0].calls()),
            (1, 1, 2)
        );
        assert_eq!((all[0].classes[0], all[0].classes[BOUNDS.len()]), (1, 1));
    }
}
