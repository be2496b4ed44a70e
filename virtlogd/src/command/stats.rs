//! `virtlogd stats`: what the daemon counts.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use virt_daemon::{Paths, RECORDS_SOCKET};
use virt_rpc::client::Connection;
use virt_rpc::protocol::records::{GetStatistics, Statistics};

const HELP: &str = "Usage: virtlogd stats [--json] [--root DIR] [--session]

Shows the pipes of guests and the records of daemons, since virtlogd was started or replaced.
";

pub(super) fn run(arguments: Vec<OsString>) -> Result<(), String> {
    let (mut json, mut session) = (false, false);
    let mut root = None;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        match argument {
            Long("json") => json = true,
            Long("session") => session = true,
            Long("root") => root = Some(PathBuf::from(parser.value().map_err(|e| e.to_string())?)),
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    let paths = Paths::of_user(root.as_deref(), session)?;
    let statistics = ask(&paths)?;
    match json {
        true => {
            let text = serde_json::to_string_pretty(&statistics).map_err(|e| e.to_string())?;
            println!("{text}");
        }
        false => print!("{}", table(&statistics)),
    }
    Ok(())
}

fn ask(paths: &Paths) -> Result<Statistics, String> {
    let socket = paths.run.join(RECORDS_SOCKET);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let asked = async {
        let connection = Connection::connect(&socket).await?;
        connection.call::<GetStatistics>(&()).await
    };
    let answer = runtime.block_on(asked).map_err(|e| {
        format!("{e}; is virtlogd running, and are you root? (systemctl status virtlogd.socket)")
    })?;
    Ok(answer.statistics.0)
}

fn table(statistics: &Statistics) -> String {
    let Statistics {
        pipes,
        records,
        audit,
    } = statistics;
    let mut lines = vec![
        ("pipes open".to_owned(), pipes.open.to_string()),
        ("bytes moved".to_owned(), pipes.moved.to_string()),
        ("logs rotated".to_owned(), pipes.rotated.to_string()),
        ("bytes dropped".to_owned(), pipes.dropped.to_string()),
        ("record batches".to_owned(), records.batches.to_string()),
        ("record bytes".to_owned(), records.bytes.to_string()),
        ("records rotated".to_owned(), records.rotated.to_string()),
        ("failed writes".to_owned(), records.failures.to_string()),
        ("not in outputs".to_owned(), records.not_shown.to_string()),
        (
            "lag".to_owned(),
            format!("{} ms", records.lag_ns / 1_000_000),
        ),
        (
            "longest lag".to_owned(),
            format!("{} ms", records.lag_max_ns / 1_000_000),
        ),
    ];
    lines.push(("audit records".to_owned(), audit.written.to_string()));
    lines.push(("audit refused".to_owned(), audit.refused.to_string()));
    if let Some(reason) = &audit.closed {
        lines.push(("audit trail".to_owned(), reason.clone()));
    }
    for one in records.counted.iter().filter(|one| one.records > 0) {
        // Names are daemons' own words, and bounded; they are shown as words all the same.
        let name = format!("records {} {}", one.daemon.escape_debug(), one.priority);
        lines.push((name, one.records.to_string()));
    }
    for (daemon, lost) in &records.lost {
        let name = format!("records {} lost", daemon.escape_debug());
        lines.push((name, lost.to_string()));
    }
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): &(String, String)| format!("{name:<width$}  {value}\n");
    lines.iter().map(line).collect()
}
