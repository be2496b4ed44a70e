//! All that is held, and every way it changes.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::lock::Owner;

use crate::guests::{self, Guest, Guests};
use crate::holder::Holder;
use crate::keepsake::{self, Taken};
use crate::lease_file::{self, Kept, Mode};
use crate::lockspaces::{Lockspaces, Name};
use crate::notes::{Notes, Process};
use crate::recovery;

/// The daemon's leases.
#[derive(Debug)]
pub struct Leases {
    inner: Mutex<Inner>,
    notes: Notes,
}

/// What changes together.
#[derive(Debug, Default)]
pub struct Inner {
    /// The lock spaces.
    pub spaces: Lockspaces,
    /// The guests' processes.
    pub guests: Guests,
}

impl Leases {
    /// Those of a daemon that goes on with `inner`.
    pub fn new(inner: Inner, notes: Notes) -> Self {
        let inner = Mutex::new(inner);
        Self { inner, notes }
    }

    /// Everything, for as long as nobody else does anything.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        // What a panic left behind is checked by the kernel: a lock is there or it isn't.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lock space in a new folder, or in one that is there when `ensure`.
    pub fn add_space(&self, folder: &str, ensure: bool) -> Result<()> {
        let mut inner = self.lock();
        let added = match ensure {
            true => inner.spaces.ensure(folder)?,
            false => inner.spaces.add(folder).map(|()| true)?,
        };
        if added {
            let folders: Vec<_> = inner.spaces.folders().collect();
            self.notes.write_spaces(&folders);
        }
        Ok(())
    }

    /// Takes a resource. When this returns well, the lock outlives this daemon if the owner is a
    /// guest's process that is connected.
    pub fn acquire(&self, name: &Name, owner: &Owner, mode: Mode, kept: Kept) -> Result<()> {
        let inner = &mut *self.lock();
        let holder = Holder::new(owner, SystemTime::now());
        let space = inner.spaces.space(&name.space)?;
        space.acquire(&name.resource, holder.clone(), mode, kept)?;
        if let Some(held) = space.resource(&name.resource) {
            let taken = guests::taken(&name.space, &name.resource, held, holder);
            inner.guests.taken(&inner.spaces, &self.notes, taken);
        }
        Ok(())
    }

    /// Gives a resource back.
    pub fn release(&self, name: &Name, pid: u32) -> Result<()> {
        let inner = &mut *self.lock();
        // What can't be released must not be noted as given.
        if inner.spaces.is_held_by(name, pid) {
            inner.guests.given(name, pid);
        }
        inner.spaces.release(name, pid).map(drop)
    }

    /// Frees a resource whoever holds it, and says what that was.
    pub fn break_lease(&self, name: &Name) -> Result<(Mode, Kept, Vec<Holder>)> {
        let inner = &mut *self.lock();
        let space = inner.spaces.space(&name.space)?;
        let holders: Vec<_> = match space.resource(&name.resource) {
            Some(held) => held.holders.iter().map(|holder| holder.pid).collect(),
            None => Vec::new(),
        };
        for pid in holders {
            inner.guests.given(name, pid);
        }
        let space = inner.spaces.space(&name.space)?;
        space.take_away(&name.resource).ok_or_else(|| {
            Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Lockspace,
                format!("Lockspace resource '{}' is not locked", name.resource),
            )
        })
    }

    /// The guest's own process has said all it will ever say.
    pub fn guest_connected(&self, guest: Guest) {
        self.lock().guests.add(guest);
    }

    /// The connection of a guest's process goes on in this program.
    pub fn guest_is_connected(&self, pid: u32, socket: &Arc<UnixStream>) {
        self.lock().guests.connected(pid, socket);
    }

    /// The guest's process, or its connection, is gone: how many things it still held.
    pub fn guest_left(&self, pid: u32) -> usize {
        let mut inner = self.lock();
        if inner.guests.remove(pid).is_some() {
            self.notes.remove_guest(pid);
        }
        let held = inner.spaces.held_by(pid);
        for name in &held {
            if let Err(e) = inner.spaces.release(name, pid) {
                tracing::error!("'{}' of process {pid} is not released: {e}", name.resource);
            }
        }
        held.len()
    }

    /// Takes up what a daemon that died left with its guests.
    pub fn recover(notes: Notes) -> Self {
        let mut inner = Inner::default();
        for folder in notes.spaces() {
            inner.spaces.know(folder);
        }
        let mut past = Vec::new();
        for process in notes.processes() {
            match inner.recover(process) {
                Ok(given) => past.extend(given),
                Err(None) => notes.remove_guest(process.pid),
                Err(Some(text)) => tracing::error!(
                    "the locks of guest process {} stay with it but can't be looked after: {text}",
                    process.pid
                ),
            }
        }
        for (name, lock) in past {
            // It was being given back; others may share it.
            if inner.spaces.resource(&name).is_none()
                && let Err(e) = lease_file::unlock(lock.as_fd())
            {
                tracing::error!("'{}' is not unlocked: {e}", name.resource);
            }
        }
        let count = inner.spaces.held().count();
        if count > 0 {
            tracing::info!("{count} leases of running guests were found again");
        }
        Self::new(inner, notes)
    }
}

impl Inner {
    /// What one guest's process has kept, and what it gave back. No sentence when the process is
    /// gone or keeps nothing.
    fn recover(&mut self, process: Process) -> Result<Vec<(Name, OwnedFd)>, Option<String>> {
        let pidfd = recovery::open_process(process).ok_or(None)?;
        let mut keepsake = recovery::keepsake_of(process, &pidfd)
            .map_err(Some)?
            .ok_or(None)?;
        let entries = keepsake.read().map_err(|e| Some(e.to_string()))?;
        let log = keepsake::replay(entries);
        for (taken, lock) in log.held {
            self.restore(taken, lock).map_err(|e| Some(e.to_string()))?;
        }
        self.guests.add(Guest {
            process,
            socket: Weak::new(),
            keepsake: Some(keepsake),
        });
        Ok(log.past)
    }

    /// Puts back what a holder had.
    pub fn restore(&mut self, taken: Taken, lock: OwnedFd) -> Result<()> {
        let mode = match taken.shared {
            true => Mode::Shared,
            false => Mode::Exclusive,
        };
        let kept = match taken.transient {
            true => Kept::Lease,
            false => Kept::File,
        };
        let name = taken.name();
        self.spaces.restore(name, taken.holder, mode, kept, lock)
    }
}

#[cfg(test)]
mod tests;
