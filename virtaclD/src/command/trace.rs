//! `virtacld trace`: decisions as they are made, a line each.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use lexopt::prelude::*;
use serde_json::json;
use virt_rpc::protocol::decisions::{Decided, DecidedEvent, Trace};

use super::{Ended, connection};

const USAGE: &str = "Usage: virtacld trace [--json] [--root DIR]

Shows every decision as it is made, until it is stopped. What drivers remember they don't ask again,
so a repeated call may not show.";

pub(super) fn run(arguments: Vec<OsString>) -> Result<Ended, String> {
    let (mut as_json, mut root) = (false, None);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        match argument {
            Long("json") => as_json = true,
            Long("root") => {
                root = Some(PathBuf::from(parser.value().map_err(|e| e.to_string())?));
            }
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(Ended::Well);
            }
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        }
    }
    connection::with(root.as_deref(), async |connection| {
        let mut events = connection.events();
        let asked = connection.call::<Trace>(&()).await;
        asked.map_err(|e| e.to_string())?;
        while let Some(event) = events.recv().await {
            let Some(decided) = event.read::<DecidedEvent>() else {
                continue;
            };
            let line = match as_json {
                true => json(&decided.decided.0),
                false => words(&decided.decided.0),
            };
            if writeln!(std::io::stdout(), "{line}").is_err() {
                // Whoever read it has seen enough.
                return Ok(Ended::Well);
            }
        }
        Err(connection.closed().await.to_string())
    })
}

fn permissions(decided: &Decided) -> Vec<String> {
    let object = decided.question.targets.first().map(|target| target.object);
    let object = object.map_or("nothing", |object| object.name());
    let permissions = decided.question.permissions.iter();
    permissions
        .map(|permission| format!("{object}.{}", permission.name()))
        .collect()
}

fn words(decided: &Decided) -> String {
    let question = &decided.question;
    let what = match (decided.targets, question.targets.first()) {
        (1, Some(target)) => {
            let details = target.details.iter();
            let details: Vec<_> = details
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            let word = if decided.allowed == 1 {
                "allow"
            } else {
                "deny"
            };
            format!("{word} {}", details.join(" "))
        }
        (all, _) => format!("allow {} of {all}", decided.allowed),
    };
    let reason = decided.refusal.as_ref().map_or(String::new(), |refusal| {
        format!(": {}: {}", refusal.back_end, refusal.reason)
    });
    format!(
        "uid={} pid={} {} {} {} {what} in {} us{reason}",
        question.subject.uid,
        question.subject.pid.unwrap_or_default(),
        question.driver,
        question.call,
        permissions(decided).join(","),
        decided.nanoseconds / 1000
    )
}

fn json(decided: &Decided) -> String {
    let question = &decided.question;
    let targets: Vec<_> = question
        .targets
        .iter()
        .map(|target| {
            let details = target.details.iter().cloned();
            let details = details.map(|(key, value)| (key, value.into()));
            serde_json::Value::Object(details.collect())
        })
        .collect();
    let refusal = decided.refusal.as_ref();
    json!({
        "uid": question.subject.uid,
        "gid": question.subject.gid,
        "pid": question.subject.pid,
        "connect_driver": question.driver,
        "readonly": question.readonly,
        "call": question.call,
        "actions": permissions(decided),
        "targets": decided.targets,
        "allowed": decided.allowed,
        "first_targets": targets,
        "nanoseconds": decided.nanoseconds,
        "back_end": refusal.map(|refusal| &refusal.back_end),
        "reason": refusal.map(|refusal| &refusal.reason),
    })
    .to_string()
}
