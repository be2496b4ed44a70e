//! `virtacld who-can domain.start --domain apache`: every user of the host is asked for.

use std::ffi::OsString;

use lexopt::prelude::*;
use nix::unistd::User;
use serde_json::json;

use super::check::{explain, user};
use super::stand_in::StandIn;
use super::{Ended, connection, object};
use crate::permissions::Action;

const USAGE: &str = "Usage: virtacld who-can OBJECT.PERMISSION [OPTION]...

Shows which users may do something. The users of /etc/passwd are asked for; a user of a directory
service is named with --user.

  --user NAME           ask for this user instead; may be repeated";

pub(super) fn run(arguments: Vec<OsString>) -> Result<Ended, String> {
    let (mut action, mut users) = (None, Vec::new());
    let mut options = object::Options::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        match argument {
            Value(name) if action.is_none() => {
                let name = name.string().map_err(|e| e.to_string())?;
                action = Some(Action::named(&name)?);
            }
            Long("user") => {
                let name = parser.value().map_err(|e| e.to_string())?;
                users.push(name.string().map_err(|e| e.to_string())?);
            }
            Short('h') | Long("help") => {
                println!("{USAGE}\n{}", object::HELP);
                return Ok(Ended::Well);
            }
            Long(option) => {
                let option = option.to_owned();
                if !options.take(&option, &mut parser)? {
                    return Err(format!("no option --{option}\n{USAGE}\n{}", object::HELP));
                }
            }
            other => return Err(format!("{}\n{USAGE}\n{}", other.unexpected(), object::HELP)),
        }
    }
    let action = action.ok_or("what is to be done? name it, such as domain.start")?;
    if users.is_empty() {
        let text = std::fs::read_to_string("/etc/passwd")
            .map_err(|e| format!("/etc/passwd can't be read: {e}"))?;
        let names = text.lines().filter_map(|line| line.split(':').next());
        users.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
    let (root, as_json) = (options.root.clone(), options.json);
    // Each user takes this one's place.
    let own = User::from_uid(nix::unistd::geteuid()).map_err(|e| e.to_string())?;
    let own = StandIn::of(&own.ok_or("the user who asks has no name")?)?;
    let question = options.question(own.subject().clone(), action)?;
    let allowed = connection::with(root.as_deref(), async |connection| {
        let mut allowed = Vec::new();
        for name in &users {
            let Ok(user) = user(name) else {
                // A line of the file that is no user.
                continue;
            };
            let stand_in = StandIn::of(&user)?;
            let mut question = question.clone();
            question.subject = stand_in.subject().clone();
            let verdicts = explain(&connection, &question).await?;
            if verdicts.iter().all(|verdict| verdict.allowed) {
                let reasons: Vec<_> = verdicts
                    .into_iter()
                    .map(|verdict| format!("{}: {}", verdict.back_end, verdict.reason))
                    .collect();
                allowed.push((name.clone(), reasons.join("; ")));
            }
        }
        Ok(allowed)
    })?;
    if as_json {
        let rows: Vec<_> = allowed
            .iter()
            .map(|(user, reason)| json!({ "user": user, "reason": reason }))
            .collect();
        println!("{:#}", json!(rows));
    } else {
        for (user, reason) in &allowed {
            println!("{user:<20} {reason}");
        }
        if allowed.is_empty() {
            println!("nobody of {} users", users.len());
        }
    }
    Ok(if allowed.is_empty() {
        Ended::No
    } else {
        Ended::Well
    })
}
