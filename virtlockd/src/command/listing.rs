//! `virtlockd leases [--json] [--root FOLDER]`: every lease, who holds it, since when.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use lexopt::prelude::*;
use serde::Serialize;
use uuid::Uuid;
use virt_rpc::protocol::leases::Lease;

use super::connection;
use crate::holder::date;

const HELP: &str = "\
Usage: virtlockd leases [--json] [--root FOLDER]

Shows every lease that is held: its lock space, its resource, how it is held, by which guest and
process, since when, and whether it outlives virtlockd itself (GUARDED).";

#[derive(Debug, Serialize)]
struct Row {
    lockspace: String,
    resource: String,
    mode: &'static str,
    transient: bool,
    owner: String,
    uuid: String,
    id: u32,
    pid: u32,
    since: i64,
    age_seconds: i64,
    guarded: bool,
}

pub(super) fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), String> {
    let (mut json, mut root) = (false, None);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        match argument {
            Long("json") => json = true,
            Long("root") => {
                root = Some(PathBuf::from(parser.value().map_err(|e| e.to_string())?));
            }
            Short('h') | Long("help") => {
                println!("{HELP}");
                return Ok(());
            }
            other => return Err(format!("{}\n{HELP}", other.unexpected())),
        }
    }
    let leases = connection::with(root.as_deref(), async |connection| {
        connection::leases(&connection).await
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let rows: Vec<_> = leases.iter().flat_map(|lease| rows(lease, now)).collect();
    if json {
        let text = serde_json::to_string_pretty(&rows).map_err(|e| e.to_string())?;
        println!("{text}");
    } else {
        print!("{}", table(&rows));
    }
    Ok(())
}

fn rows(lease: &Lease, now: i64) -> Vec<Row> {
    let row = |holder: &virt_rpc::protocol::leases::Holder| Row {
        lockspace: lease.space.clone(),
        resource: lease.name.clone(),
        mode: if lease.shared != 0 {
            "shared"
        } else {
            "exclusive"
        },
        transient: lease.transient != 0,
        owner: holder.owner.name.clone(),
        uuid: Uuid::from_bytes(holder.owner.uuid).to_string(),
        id: holder.owner.id,
        pid: holder.owner.pid,
        since: holder.since,
        age_seconds: now.saturating_sub(holder.since).max(0),
        guarded: holder.guarded != 0,
    };
    lease.holders.iter().map(row).collect()
}

/// Columns as wide as their widest cell; control characters of names are shown, not obeyed.
fn table(rows: &[Row]) -> String {
    let head = [
        "LOCKSPACE",
        "RESOURCE",
        "MODE",
        "OWNER",
        "PID",
        "SINCE",
        "GUARDED",
    ];
    let mut cells: Vec<[String; 7]> = vec![head.map(str::to_owned)];
    for row in rows {
        let space = match row.lockspace.as_str() {
            "" => "-".to_owned(),
            folder => folder.escape_debug().to_string(),
        };
        cells.push([
            space,
            row.resource.escape_debug().to_string(),
            row.mode.to_owned(),
            row.owner.escape_debug().to_string(),
            row.pid.to_string(),
            date(row.since),
            if row.guarded { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let mut widths = [0; 7];
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &cells {
        let padded = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let padded: Vec<_> = padded.collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_what_names_would_hide() {
        let row = Row {
            lockspace: String::new(),
            resource: "/images/a\x1b[31m".to_owned(),
            mode: "exclusive",
            transient: false,
            owner: "web".to_owned(),
            uuid: Uuid::nil().to_string(),
            id: 1,
            pid: 42,
            since: 61,
            age_seconds: 1,
            guarded: true,
        };
        let text = table(&[row]);
        assert_eq!(
            text,
            "LOCKSPACE  RESOURCE             MODE       OWNER  PID  SINCE                    GUARDED\n\
             -          /images/a\\u{1b}[31m  exclusive  web    42   1970-01-01 00:01:01 UTC  yes\n"
        );
    }
}
