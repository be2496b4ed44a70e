//! `virtacld check --user frank --action domain.start --domain apache`.

use std::ffi::OsString;

use nix::unistd::{Uid, User};
use serde_json::json;
use virt_rpc::client::Connection;
use virt_rpc::codec::Internal;
use virt_rpc::protocol::decisions::{Explain, ExplainArgs, Question, Verdict};

use super::object::{Options, Own};
use super::stand_in::StandIn;
use super::{Ended, connection};
use crate::permissions::Action;

const USAGE: &str = "Usage: virtacld check --user NAME --action OBJECT.PERMISSION [OPTION]...

Asks the daemon whether a user may do something, and why. The exit status is 0 for yes, 1 for no and
2 when it can't be said.

  --user NAME           who; a name or a number
  --action NAME         what, such as domain.start ('virtacld actions' lists them)";

pub(super) fn run(arguments: Vec<OsString>) -> Result<Ended, String> {
    let (mut who, mut action) = (None, None);
    let options = Options::read(arguments, USAGE, |own| {
        match own {
            Own::Option("user", value) => who = Some(value()?),
            Own::Option("action", value) => action = Some(Action::named(&value()?)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let Some(options) = options else {
        return Ok(Ended::Well);
    };
    let who = who.ok_or("whom do you mean? add --user NAME")?;
    let action =
        action.ok_or("what is to be done? add --action OBJECT.PERMISSION, such as domain.start")?;
    let (root, as_json) = (options.root.clone(), options.json);
    let stand_in = StandIn::of(&user(&who)?)?;
    let question = options.question(stand_in.subject().clone(), action)?;
    let verdicts = connection::with(root.as_deref(), async |connection| {
        explain(&connection, &question).await
    })?;
    let allowed = verdicts.iter().all(|verdict| verdict.allowed);
    match as_json {
        true => println!("{}", json(allowed, &verdicts)),
        false => print!("{}", words(allowed, &verdicts)),
    }
    Ok(if allowed { Ended::Well } else { Ended::No })
}

/// The user of that name or number.
pub(super) fn user(name: &str) -> Result<User, String> {
    let found = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    let found = found.map_err(|e| format!("user '{name}' can't be looked up: {e}"))?;
    found.ok_or_else(|| format!("there is no user '{name}' on this host"))
}

/// What every back end says.
pub(super) async fn explain(
    connection: &Connection,
    question: &Question,
) -> Result<Vec<Verdict>, String> {
    let question = Internal(question.clone());
    let explained = connection.call::<Explain>(&ExplainArgs { question }).await;
    explained
        .map(|reply| reply.verdicts.0)
        .map_err(|e| e.to_string())
}

fn words(allowed: bool, verdicts: &[Verdict]) -> String {
    let word = |allowed| if allowed { "allow" } else { "deny" };
    let mut text = format!("{}\n", word(allowed));
    for verdict in verdicts {
        text.push_str(&format!(
            "\n{}: {}: {}\n",
            verdict.back_end,
            word(verdict.allowed),
            verdict.reason
        ));
        for line in &verdict.seen {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text
}

fn json(allowed: bool, verdicts: &[Verdict]) -> String {
    let verdicts: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            json!({
                "back_end": verdict.back_end,
                "allowed": verdict.allowed,
                "reason": verdict.reason,
                "seen": verdict.seen,
            })
        })
        .collect();
    format!("{:#}", json!({ "allowed": allowed, "back_ends": verdicts }))
}
