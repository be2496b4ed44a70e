//! `virtlogd tail`: what happened to a guest, what it printed and what the daemons did with it, by time.

mod merge;
mod output;
mod times;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::prelude::*;

use super::query;
use merge::Story;

const HELP: &str = "Usage: virtlogd tail GUEST [OPTION]...

Shows what happened to a guest (its name or UUID): its log, its consoles, and the records of daemons about
it, by time. Of output that has no times of its own, virtlogd knows them to about a second, or to ten
seconds while a guest writes without a pause.

  -f, --follow        goes on as more comes
  -n, --lines COUNT   so many lines of what was (100), or 'all'
  --folder DIR        what is kept in that folder rather than by the running host
  --root DIR, --session  as for the daemon
";

/// How often is looked for more, with --follow.
const LOOK: Duration = Duration::from_millis(300);

#[derive(Debug)]
struct Wanted {
    guest: String,
    follow: bool,
    lines: usize,
}

pub(super) fn run(arguments: Vec<OsString>) -> Result<(), String> {
    let (mut guest, mut follow, mut session) = (None, false, false);
    let mut lines = 100;
    let (mut root, mut folder) = (None, None);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        let value = |parser: &mut lexopt::Parser| parser.value().map_err(|e| e.to_string());
        match argument {
            Short('f') | Long("follow") => follow = true,
            Short('n') | Long("lines") => lines = count(&value(&mut parser)?.to_string_lossy())?,
            Long("session") => session = true,
            Long("root") => root = Some(PathBuf::from(value(&mut parser)?)),
            Long("folder") => folder = Some(PathBuf::from(value(&mut parser)?)),
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(());
            }
            Value(name) if guest.is_none() => guest = Some(name),
            other => return Err(other.unexpected().to_string()),
        }
    }
    let guest = guest.ok_or("which guest? virtlogd tail GUEST")?;
    let wanted = Wanted {
        guest: guest.to_string_lossy().into_owned(),
        follow,
        lines,
    };
    let folder = match folder {
        Some(folder) => folder,
        None => query::kept_in(&virt_daemon::Paths::of_user(root.as_deref(), session)?)?,
    };
    match show(&folder, &wanted) {
        // Who reads has seen enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Ok(false) => Err(format!(
            "nothing is known of a guest '{}' in '{}'",
            wanted.guest,
            folder.display()
        )),
        shown => shown
            .map(drop)
            .map_err(|e| format!("logs in '{}': {e}", folder.display())),
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text {
        "all" => Ok(usize::MAX),
        number => number
            .parse()
            .map_err(|_| format!("--lines is '{text}'; it is a number or 'all'")),
    }
}

/// Whether there was anything.
fn show(folder: &Path, wanted: &Wanted) -> io::Result<bool> {
    let mut story = Story::open(folder, &wanted.guest)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut last = std::collections::VecDeque::new();
    while let Some(line) = story.next_line()? {
        if last.len() >= wanted.lines {
            last.pop_front();
        }
        if wanted.lines > 0 {
            last.push_back(line);
        }
    }
    let found = story.knows_the_guest();
    for line in last {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    if !wanted.follow {
        return Ok(found);
    }
    loop {
        std::thread::sleep(LOOK);
        story.look_again()?;
        while let Some(line) = story.next_line()? {
            writeln!(out, "{line}")?;
        }
        out.flush()?;
    }
}
