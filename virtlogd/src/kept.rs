//! What systemd keeps of each log, so that the death of this program loses nothing: its pipes, and in
//! a memfd what is known of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, fstat, memfd_create};
use virt_daemon::{notify, versioned};

use crate::logs::Logs;
use crate::owner::Owner;
use crate::pipes::Pipes;
use crate::state::AboutV1;

const VERSION: u32 = 1;
/// Longest description, in bytes: a path, names, and some numbers.
const ABOUT_MAX: u64 = 64 << 10;
/// The parts of a log: the pipes' ends in the order of [`Pipes::ends`], then the description.
const PARTS: [&str; 4] = ["guest", "read", "write", "about"];

/// What the log of these pipes is called where it is kept: a number that no other pipe has.
pub fn name(pipes: &Pipes) -> Option<String> {
    let [_, staged, _] = pipes.ends();
    let about = fstat(staged).ok().filter(|_| notify::keeps())?;
    Some(format!("log-{}", about.st_ino))
}

/// Has a new log kept, if there is someone to do it.
///
/// # Errors
/// What the system refused.
pub fn keep(path: &Path, owner: &Owner, pipes: &Pipes) -> io::Result<()> {
    let Some(name) = name(pipes) else {
        return Ok(());
    };
    let about = versioned::write(VERSION, &AboutV1::new(path, owner));
    let mut file = File::from(memfd_create(name.as_str(), MemfdFlags::CLOEXEC)?);
    file.write_all(&about)?;
    let [guest, read, write] = pipes.ends();
    for (part, end) in PARTS.iter().zip([guest, read, write, file.as_fd()]) {
        notify::keep(&format!("{name}.{part}"), &[end]);
    }
    Ok(())
}

/// A log has ended.
pub fn forget(name: Option<&str>) {
    let Some(name) = name else {
        return;
    };
    for part in PARTS {
        notify::forget(&format!("{name}.{part}"));
    }
}

/// Goes on with the logs that were kept. What can't be read is told in the log, and let go.
pub fn restore(logs: &Arc<Logs>, kept: Vec<(String, OwnedFd)>) {
    let mut found: BTreeMap<String, [Option<OwnedFd>; 4]> = BTreeMap::new();
    for (name, descriptor) in kept {
        let parts = name.rsplit_once('.').and_then(|(name, part)| {
            let place = PARTS.iter().position(|known| *known == part)?;
            Some((name, place))
        });
        match parts {
            Some((name, place)) => {
                found.entry(name.to_owned()).or_default()[place] = Some(descriptor);
            }
            None => tracing::warn!("what was kept as {name:?} is nothing of ours"),
        }
    }
    for (name, parts) in found {
        if let Err(text) = go_on(logs, parts) {
            tracing::error!("what was kept as {name:?}: {text}");
            forget(Some(&name));
        }
    }
}

fn go_on(logs: &Arc<Logs>, parts: [Option<OwnedFd>; 4]) -> Result<(), String> {
    let [Some(guest), Some(read), Some(write), Some(about)] = parts else {
        return Err("a part is missing".to_owned());
    };
    let mut bytes = Vec::new();
    let mut about = File::from(about);
    about
        .rewind()
        .and_then(|()| about.take(ABOUT_MAX).read_to_end(&mut bytes))
        .map_err(|e| format!("its description can't be read: {e}"))?;
    let about: AboutV1 = versioned::read(VERSION, &bytes, "its description")?;
    about.go_on(logs, Pipes::again([guest, read, write]))
}
