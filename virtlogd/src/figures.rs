//! What virtlogd tells those who watch.

use virt_daemon::metrics::Figure;
use virt_daemon::metrics::FigureKind::{Counter, Gauge};
use virt_rpc::protocol::records::{AuditFigures, PipesFigures, RecordsFigures};

/// The figures.
pub fn of(pipes: &PipesFigures, records: &RecordsFigures, audit: &AuditFigures) -> Vec<Figure> {
    let labels = |one: &virt_rpc::protocol::records::Counted| {
        let daemon = ("daemon", one.daemon.clone());
        vec![daemon, ("priority", one.priority.word().to_owned())]
    };
    let counted = records.counted.iter();
    let lost = records.lost.iter();
    vec![
        Figure::one(
            Gauge,
            "logs_open",
            "Logs of guests that are open",
            pipes.open,
        ),
        Figure::one(
            Counter,
            "log_bytes_moved",
            "Bytes of guests' output that reached files",
            pipes.moved,
        ),
        Figure::one(
            Counter,
            "logs_rotated",
            "Logs of guests that became backups",
            pipes.rotated,
        ),
        Figure::one(
            Counter,
            "log_bytes_dropped",
            "Bytes of guests' output that were thrown away",
            pipes.dropped,
        ),
        Figure {
            name: "events",
            help: "Records that daemons sent, by daemon and priority",
            kind: Counter,
            samples: counted.map(|one| (labels(one), one.records)).collect(),
        },
        Figure {
            name: "events_dropped",
            help: "Records that daemons say they could not send",
            kind: Counter,
            samples: lost
                .map(|(daemon, lost)| (vec![("daemon", daemon.clone())], *lost))
                .collect(),
        },
        Figure::one(
            Counter,
            "events_bytes_written",
            "Bytes of records that reached the file",
            records.bytes,
        ),
        Figure::one(
            Counter,
            "events_failed_writes",
            "Attempts to write records that failed",
            records.failures,
        ),
        Figure::one(
            Counter,
            "audit_records",
            "Records that the kernel's audit trail took",
            audit.written,
        ),
        Figure::one(
            Counter,
            "audit_records_refused",
            "Records that the kernel's audit trail refused",
            audit.refused,
        ),
        Figure::one(
            Gauge,
            "events_lag_milliseconds",
            "Between the last record's time and its being written",
            records.lag_ns / 1_000_000,
        ),
    ]
}
