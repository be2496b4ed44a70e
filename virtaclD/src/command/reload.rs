//! `virtacld reload`: the policies are read again, and it is said from when on they are used.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use virt_rpc::protocol::decisions::Reload;

use super::{Ended, connection};

const USAGE: &str = "Usage: virtacld reload [--root DIR]

Has the daemon read its policies again, and waits until every driver has said that it uses no decision
of the ones before, which takes no longer than five seconds. The exit status is 0 then, 1 when a driver
did not say so, which is named, and 2 when the policies are wrong and the ones before stay in force.";

pub(super) fn run(arguments: Vec<OsString>) -> Result<Ended, String> {
    let mut root = None;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        match argument {
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
    let reloaded = connection::with(root.as_deref(), async |connection| {
        let reply = connection.call::<Reload>(&()).await;
        Ok(reply.map_err(|e| e.to_string())?.reloaded.0)
    })?;
    println!("policy {} is in force", reloaded.generation);
    for driver in &reloaded.unconfirmed {
        println!("not yet confirmed by {driver}: it may still use what was decided before");
    }
    Ok(match reloaded.unconfirmed.is_empty() {
        true => Ended::Well,
        false => Ended::No,
    })
}
