//! `virtacld actions`: the whole table, and what is made from it.

use std::ffi::OsString;

use lexopt::prelude::*;
use serde_json::json;
use virt_rpc::protocol::Program;

use super::Ended;
use crate::permissions::{ACTIONS, Action, Unasked};
use crate::{cedar, polkit};

const USAGE: &str = "Usage: virtacld actions [--json | --polkit | --polkit-connect | --cedar]

Shows every permission, whether polkit allows it without a rule, and the calls that need it.

  --json             as JSON
  --polkit           as org.libvirt.api.policy, for /usr/share/polkit-1/actions
  --polkit-connect   org.libvirt.unix.policy: who may connect at all
  --cedar            as Cedar's schema, for its own tools";

pub(super) fn run(arguments: Vec<OsString>) -> Result<Ended, String> {
    let mut shown = None;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        let form: fn() -> String = match argument {
            Long("json") => json,
            Long("polkit") => polkit::api_policy,
            Long("polkit-connect") => polkit::connect_policy,
            Long("cedar") => cedar::schema_text,
            Short('h') | Long("help") => || format!("{USAGE}\n"),
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        };
        if shown.replace(form).is_some() {
            return Err(format!("one form at a time\n{USAGE}"));
        }
    }
    print!("{}", shown.unwrap_or(words)());
    Ok(Ended::Well)
}

/// The public functions that need it; of a list only to be shown in it.
fn calls(action: Action) -> Vec<&'static str> {
    let rows = Program::ALL.iter().flat_map(|program| program.table());
    let mut calls: Vec<_> = rows
        .filter(|row| {
            let mut rules = row.acl.iter().chain(row.acl_filter);
            rules.any(|rule| (rule.object, rule.permission) == (action.object, action.permission))
        })
        .map(|row| row.api.unwrap_or(row.name))
        .collect();
    calls.sort_unstable();
    calls.dedup();
    calls
}

fn words() -> String {
    let mut text = String::new();
    for action in ACTIONS {
        let unasked = match action.unasked {
            Unasked::Allowed => "allowed",
            Unasked::Refused => "refused",
        };
        text.push_str(&format!(
            "{action}\n    polkit: {}, {unasked} without a rule\n",
            action.polkit_id()
        ));
        for call in calls(*action) {
            text.push_str(&format!("    {call}\n"));
        }
    }
    text
}

fn json() -> String {
    let rows: Vec<_> = ACTIONS
        .iter()
        .map(|action| {
            json!({
                "action": action.to_string(),
                "polkit": action.polkit_id(),
                "allowed_without_a_rule": action.unasked == Unasked::Allowed,
                "calls": calls(*action),
            })
        })
        .collect();
    format!("{:#}\n", json!(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_a_guest_is_needed_by_the_calls_that_start_one() {
        let start = Action::named("domain.start").unwrap();
        let calls = calls(start);
        for call in ["virDomainCreate", "virDomainCreateXML"] {
            assert!(calls.contains(&call), "{calls:?}");
        }
    }
}
