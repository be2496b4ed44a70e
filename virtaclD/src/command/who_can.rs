//! `virtacld who-can domain.start --domain apache`: every user that the name service lists is asked for.

use std::ffi::OsString;
use std::process::Command;

use nix::unistd::User;
use serde_json::json;

use super::check::{explain, user};
use super::object::{Options, Own};
use super::stand_in::StandIn;
use super::{Ended, connection};
use crate::permissions::Action;

const USAGE: &str = "Usage: virtacld who-can OBJECT.PERMISSION [OPTION]...

Shows which users may do something, of those that 'getent passwd' lists. A directory service may not
list all of its users, or none: name those with --user.

  --user NAME           ask for this user instead; may be repeated";

pub(super) fn run(arguments: Vec<OsString>) -> Result<Ended, String> {
    let (mut action, mut users) = (None, Vec::new());
    let options = Options::read(arguments, USAGE, |own| {
        match own {
            Own::Word(name) if action.is_none() => action = Some(Action::named(name)?),
            Own::Option("user", value) => users.push(value()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(options) = options else {
        return Ok(Ended::Well);
    };
    let action = action.ok_or("what is to be done? name it, such as domain.start")?;
    if users.is_empty() {
        users = listed()?;
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
                // Gone meanwhile, or no user of this host.
                eprintln!("virtacld: user '{name}' can't be looked up, and is passed over");
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

/// The users that the name service lists: those of /etc/passwd and of directories that list theirs. The
/// library's own way to go through them (getpwent(3)) is unsafe with threads; its program is not.
fn listed() -> Result<Vec<String>, String> {
    let failed = |why: &dyn std::fmt::Display| {
        format!("the users can't be listed (getent passwd): {why}; name them with --user")
    };
    let output = Command::new("getent").arg("passwd").output();
    let output = output.map_err(|e| failed(&e))?;
    if !output.status.success() {
        return Err(failed(&String::from_utf8_lossy(&output.stderr).trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.split(':').next());
    let mut names: Vec<_> = names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    // A user may be in a file and in a directory.
    names.sort();
    names.dedup();
    Ok(names)
}
