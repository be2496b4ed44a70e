//! `virtacld lint FILE...`: what is wrong with policies and rules, before they are in force.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lexopt::prelude::*;

use super::Ended;
use crate::cedar::{self, Place, Problem};
use crate::polkit;

const USAGE: &str = "Usage: virtacld lint FILE...

Looks at policies (.cedar) as the daemon would, all files together, and at polkit's rules (.rules) for
names of actions and details that libvirt does not have. A folder stands for the files in it. The exit
status is 1 when something is wrong.";

pub(super) fn run(arguments: Vec<OsString>) -> Result<Ended, String> {
    let mut files = Vec::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        match argument {
            Value(path) => files.extend(expand(PathBuf::from(path))?),
            Short('h') | Long("help") => {
                println!("{USAGE}");
                return Ok(Ended::Well);
            }
            other => return Err(format!("{}\n{USAGE}", other.unexpected())),
        }
    }
    if files.is_empty() {
        return Err(format!("which files?\n{USAGE}"));
    }
    let (mut sources, mut problems) = (Vec::new(), Vec::new());
    for file in &files {
        match (cedar::content(file), kind(file)) {
            (Ok(text), Some(Kind::Cedar)) => sources.extend(cedar::cut(file, &text)),
            (Ok(text), Some(Kind::Rules)) => problems.extend(polkit::lint(file, &text)),
            (Ok(_), None) => problems.push(whole(file, "is neither .cedar nor .rules".to_owned())),
            (Err(text), _) => problems.push(whole(file, text)),
        }
    }
    match cedar::sources(sources) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                println!("{warning} (a warning)");
            }
        }
        Err(more) => problems.extend(more),
    }
    for problem in &problems {
        println!("{problem}");
    }
    Ok(if problems.is_empty() {
        Ended::Well
    } else {
        Ended::No
    })
}

enum Kind {
    Cedar,
    Rules,
}

fn kind(file: &Path) -> Option<Kind> {
    match file.extension()?.to_str()? {
        "cedar" => Some(Kind::Cedar),
        "rules" => Some(Kind::Rules),
        _ => None,
    }
}

fn expand(path: PathBuf) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path]);
    }
    let failed = |e: std::io::Error| format!("{}: can't be read: {e}", path.display());
    let entries = std::fs::read_dir(&path).map_err(failed)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    files.retain(|file| kind(file).is_some());
    files.sort();
    Ok(files)
}

fn whole(file: &Path, text: String) -> Problem {
    Problem {
        place: Place {
            file: file.to_owned(),
            line: 0,
        },
        text,
    }
}
