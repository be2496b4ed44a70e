//! `virtlockd break RESOURCE --lockspace FOLDER --yes-two-guests-may-now-write`: takes a lease away
//! from who holds it.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use virt_rpc::protocol::leases::{Break, BreakArgs};

use super::connection;

const CONFIRM: &str = "yes-two-guests-may-now-write";

const HELP: &str = "\
Usage: virtlockd break RESOURCE [--lockspace FOLDER] [--root FOLDER] --yes-two-guests-may-now-write

Takes the lease RESOURCE (as `virtlockd leases` shows it) away from whoever holds it. The guest that
has it goes on running and writing: from then on a second guest can be started on the same disk,
here or on another host, and the two will destroy what is on it. Stop the holder first whenever it
can be stopped; a holder that has ended has given its leases back by itself.

--lockspace FOLDER  the lock space; without it RESOURCE is the path of the file that is locked
--root FOLDER       of the daemon below that root";

pub(super) fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), String> {
    let (mut resource, mut space, mut root, mut confirmed) = (None, String::new(), None, false);
    let text = |value: OsString| {
        value
            .into_string()
            .map_err(|value| format!("'{}' is not UTF-8", value.display()))
    };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        match argument {
            Value(value) if resource.is_none() => resource = Some(text(value)?),
            Long("lockspace") => space = text(parser.value().map_err(|e| e.to_string())?)?,
            Long("root") => root = Some(PathBuf::from(parser.value().map_err(|e| e.to_string())?)),
            Long(CONFIRM) => confirmed = true,
            Short('h') | Long("help") => {
                println!("{HELP}");
                return Ok(());
            }
            other => return Err(format!("{}\n{HELP}", other.unexpected())),
        }
    }
    let name = resource.ok_or_else(|| format!("which resource?\n{HELP}"))?;
    let lease = connection::with(root.as_deref(), async |connection| {
        if !confirmed {
            return connection::leases(&connection).await.map(|leases| {
                let mut leases = leases.into_iter();
                leases.find(|lease| lease.space == space && lease.name == name)
            });
        }
        let args = BreakArgs {
            space: space.clone(),
            name: name.clone(),
        };
        connection
            .call::<Break>(&args)
            .await
            .map(|ret| Some(ret.lease))
    })?;
    let lease = lease.ok_or_else(|| format!("nobody holds '{name}'; nothing is to be broken"))?;
    let holders: Vec<_> = lease
        .holders
        .iter()
        .map(|holder| format!("'{}' (process {})", holder.owner.name, holder.owner.pid))
        .collect();
    let holders = holders.join(", ");
    if confirmed {
        println!("'{name}' was taken from {holders}, which goes on running.");
        return Ok(());
    }
    Err(format!(
        "'{name}' is held by {holders}. If it is broken, another guest can be started on the same \
         disk while this one still writes to it, and what is on the disk will be destroyed. Stop \
         the holder instead; or, if you are sure it no longer writes, repeat with --{CONFIRM}."
    ))
}
