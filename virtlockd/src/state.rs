//! What this daemon keeps when it replaces its own program, version 1. A later version is another
//! type; this one stays as it is.

use std::os::fd::AsRawFd;

use serde::{Deserialize, Serialize};
use virt_daemon::{Descriptors, Saved, versioned};

use crate::guests::{self, Guest};
use crate::keepsake::{Keepsake, Taken};
use crate::leases::Inner;
use crate::notes::Process;

const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct StateV1 {
    folders: Vec<String>,
    held: Vec<HeldV1>,
    guests: Vec<GuestV1>,
}

/// One holder of one resource; those of a shared one name the same descriptor.
#[derive(Debug, Serialize, Deserialize)]
struct HeldV1 {
    fd: i32,
    taken: Taken,
}

#[derive(Debug, Serialize, Deserialize)]
struct GuestV1 {
    process: Process,
    /// Both ends of the pair it keeps, and how much is in it.
    keepsake: Option<(i32, i32, usize)>,
}

/// All of it, for the next program.
pub fn save(inner: &Inner) -> Saved {
    let mut descriptors = Vec::new();
    let mut held = Vec::new();
    for (space, resource, lease) in inner.spaces.held() {
        let fd = lease.file.descriptor().as_raw_fd();
        descriptors.push(fd);
        held.extend(lease.holders.iter().map(|holder| HeldV1 {
            fd,
            taken: guests::taken(space, resource, lease, holder.clone()),
        }));
    }
    let mut keep = |keepsake: &Keepsake| {
        let [write, read] = keepsake.ends().map(AsRawFd::as_raw_fd);
        descriptors.extend([write, read]);
        (write, read, keepsake.entries())
    };
    let guests = inner.guests.iter().map(|guest| GuestV1 {
        process: guest.process,
        keepsake: guest.keepsake.as_ref().map(&mut keep),
    });
    let state = StateV1 {
        folders: inner.spaces.folders().map(str::to_owned).collect(),
        held,
        guests: guests.collect(),
    };
    Saved {
        // A state that can't be written is refused by `check` before anything depends on it.
        state: versioned::write(VERSION, &state),
        descriptors,
    }
}

/// Whether [`restore`] can read it.
pub fn check(saved: &[u8]) -> Result<(), String> {
    read(saved).map(drop)
}

/// Goes on with it.
pub fn restore(saved: &[u8], descriptors: &mut Descriptors) -> Result<Inner, String> {
    let state = read(saved)?;
    let mut inner = Inner::default();
    for folder in state.folders {
        inner.spaces.know(folder);
    }
    for held in state.held {
        let lock = match inner.spaces.resource(&held.taken.name()) {
            Some(shared) => shared
                .file
                .descriptor()
                .try_clone_to_owned()
                .map_err(|e| format!("a shared lock: {e}"))?,
            None => descriptors.take(held.fd)?,
        };
        inner.restore(held.taken, lock).map_err(|e| e.to_string())?;
    }
    for guest in state.guests {
        let keepsake = match guest.keepsake {
            Some((write, read, entries)) => Some(Keepsake::of_ends(
                descriptors.take(write)?,
                descriptors.take(read)?,
                entries,
            )),
            None => None,
        };
        inner.guests.add(Guest {
            process: guest.process,
            socket: std::sync::Weak::new(),
            keepsake,
        });
    }
    Ok(inner)
}

fn read(saved: &[u8]) -> Result<StateV1, String> {
    versioned::read(VERSION, saved, "the leases' state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_a_later_version_is_refused() {
        let later = versioned::write(2, &"anything");
        let text = check(&later).unwrap_err();
        assert!(text.contains("version 2"), "{text}");
        assert!(check(b"").is_err());
        check(&save(&Inner::default()).state).unwrap();
    }
}
