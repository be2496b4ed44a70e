//! The guests whose own processes are connected, or were before this program ran, and what their
//! processes keep of their locks.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};

use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::keepsake::{Keepsake, Taken};
use crate::lease_file::{Kept, Mode};
use crate::lockspace::Resource;
use crate::lockspaces::{Lockspaces, Name};
use crate::notes::{Notes, Process};
use crate::recovery;

/// A guest's own process.
#[derive(Debug)]
pub struct Guest {
    /// The process.
    pub process: Process,
    /// Its connection, if it is connected to this program.
    pub socket: Weak<UnixStream>,
    /// What it keeps; none before it takes anything.
    pub keepsake: Option<Keepsake>,
}

/// All of them, by process number.
#[derive(Debug, Default)]
pub struct Guests {
    connected: BTreeMap<u32, Guest>,
    /// Those whose connection is closed, as a process's end closes it, though they are there.
    ending: BTreeMap<u32, Process>,
}

impl Guests {
    /// A guest's process that will keep what it takes.
    pub fn add(&mut self, guest: Guest) {
        self.connected.insert(guest.process.pid, guest);
    }

    /// Its connection is closed: it ends, and takes nothing any more.
    pub fn ends(&mut self, process: Process) {
        if self.connected.contains_key(&process.pid) {
            self.ending.insert(process.pid, process);
        }
    }

    /// It has ended.
    pub fn ended(&mut self, pid: u32) {
        self.ending.remove(&pid);
    }

    /// Whether there is a process that could have anything: what a process took after its end
    /// nobody would give back.
    ///
    /// # Errors
    /// There is none, or it is about to end.
    pub fn check_alive(&self, pid: u32) -> Result<()> {
        if self.connected.contains_key(&pid) {
            return Ok(());
        }
        let ending = self.ending.get(&pid);
        let ending = ending.is_some_and(|process| recovery::open_process(*process).is_some());
        if !ending && recovery::is_running(pid) {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Lockspace,
            format!("process {pid}, which is to hold the lock, has ended"),
        ))
    }

    /// It is gone.
    pub fn remove(&mut self, pid: u32) -> Option<Guest> {
        self.connected.remove(&pid)
    }

    /// The process is connected here.
    pub fn connected(&mut self, pid: u32, socket: &Arc<UnixStream>) {
        if let Some(guest) = self.connected.get_mut(&pid) {
            guest.socket = Arc::downgrade(socket);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Guest> {
        self.connected.values()
    }

    /// Whether the locks of that process outlive this daemon.
    pub fn guards(&self, pid: u32) -> bool {
        self.connected
            .get(&pid)
            .is_some_and(|guest| guest.keepsake.is_some())
    }

    /// The process has just taken the resource.
    pub fn taken(&mut self, spaces: &Lockspaces, notes: &Notes, taken: Taken) {
        let name = taken.name();
        let pid = taken.holder.pid;
        let Some(guest) = self.connected.get_mut(&pid) else {
            return;
        };
        let Some(held) = spaces.resource(&name) else {
            return;
        };
        let kept = guest.keepsake(notes).and_then(|keepsake| {
            // Counting what the guest has means looking at all there is: only when it may matter.
            if keepsake.is_long(0) {
                let mut all = spaces.held_by(pid);
                if keepsake.is_long(all.len()) {
                    // What is had twice is named twice here, and described twice by each.
                    all.dedup();
                    return keepsake
                        .rewrite(all.iter().flat_map(|one| described(spaces, one, pid)));
                }
            }
            keepsake.taken(taken, held.file.descriptor())
        });
        if let Err(e) = kept {
            tracing::warn!(
                "process {pid} can't keep the lock of '{}' ({e}): should virtlockd die, that lock \
                 ends with it",
                name.resource
            );
        }
    }

    /// The process is about to give the resource back.
    pub fn given(&mut self, name: &Name, pid: u32) {
        let Some(keepsake) = self
            .connected
            .get_mut(&pid)
            .and_then(|guest| guest.keepsake.as_mut())
        else {
            return;
        };
        if let Err(e) = keepsake.given(name) {
            tracing::warn!(
                "that process {pid} gives '{}' back is not noted: {e}",
                name.resource
            );
        }
    }
}

impl Guest {
    fn keepsake(&mut self, notes: &Notes) -> std::io::Result<&mut Keepsake> {
        if self.keepsake.is_none() {
            let socket = self
                .socket
                .upgrade()
                .ok_or(std::io::ErrorKind::NotConnected)?;
            self.keepsake = Some(Keepsake::give(&*socket)?);
            notes.write_guest(self.process);
        }
        self.keepsake
            .as_mut()
            .ok_or_else(|| std::io::ErrorKind::NotConnected.into())
    }
}

/// How the keepsake of a process describes what it holds, as often as it holds it.
fn described<'a>(
    spaces: &'a Lockspaces,
    name: &Name,
    pid: u32,
) -> Vec<(Taken, std::os::fd::BorrowedFd<'a>)> {
    let Some(held) = spaces.resource(name) else {
        return Vec::new();
    };
    let holders = held.holders.iter().filter(|holder| holder.pid == pid);
    holders
        .map(|holder| {
            let taken = taken(&name.space, &name.resource, held, holder.clone());
            (taken, held.file.descriptor())
        })
        .collect()
}

/// What is written of one holder.
pub fn taken(space: &str, resource: &str, held: &Resource, holder: crate::holder::Holder) -> Taken {
    Taken {
        space: space.to_owned(),
        resource: resource.to_owned(),
        shared: held.mode == Mode::Shared,
        transient: held.file.kept() == Kept::Lease,
        holder,
    }
}
