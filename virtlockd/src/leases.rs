//! All that is held, and every way it changes.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use tokio::sync::oneshot;
use tokio::time::Instant;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::lock::Owner;

use crate::files::{Files, PATIENCE};
use crate::guests::{self, Guest, Guests};
use crate::holder::Holder;
use crate::keepsake::{self, Taken};
use crate::lease_file::{self, Kept, LeaseFile, Mode};
use crate::lockspace::{self, Released};
use crate::lockspaces::{Lockspaces, Name};
use crate::notes::{Notes, Process};
use crate::recovery;
use crate::turns::{Turns, Wait};

/// The daemon's leases.
#[derive(Debug)]
pub struct Leases {
    inner: Mutex<Inner>,
    notes: Notes,
    files: Files,
}

/// What changes together.
#[derive(Debug, Default)]
pub struct Inner {
    /// The lock spaces.
    pub spaces: Lockspaces,
    /// The guests' processes.
    pub guests: Guests,
    turns: Turns,
}

/// How far something got without waiting.
enum Step<T> {
    Done(T),
    /// The resource's file is under way.
    Wait(Wait),
    /// The resource's file is ours to change.
    Ours(T),
}

impl Leases {
    /// Those of a daemon that goes on with `inner`.
    pub fn new(inner: Inner, notes: Notes, files: Files) -> Self {
        let inner = Mutex::new(inner);
        Self {
            inner,
            notes,
            files,
        }
    }

    /// Everything, for as long as nobody else does anything. Never held while something is awaited.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        // What a panic left behind is checked by the kernel: a lock is there or it isn't.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// A lock space in a new folder, or in one that is there when `ensure`.
    pub async fn add_space(&self, folder: &str, ensure: bool) -> Result<()> {
        let name = Name {
            space: folder.to_owned(),
            resource: String::new(),
        };
        let turn = self.turn(&name, |inner| {
            let known = ensure && inner.spaces.knows(folder);
            if !known {
                inner.spaces.check_new(folder)?;
            }
            Ok(!known)
        });
        let Some(_turn) = turn.await? else {
            return Ok(());
        };
        let made = self.files.make_folder(PathBuf::from(folder)).await;
        made.map_err(|refusal| lockspace::error(folder, &refusal))?;
        let mut inner = self.lock();
        inner.spaces.know(folder.to_owned());
        let folders: Vec<_> = inner.spaces.folders().collect();
        self.notes.write_spaces(&folders);
        Ok(())
    }

    /// Makes the file of a resource, for a later acquisition that does not.
    pub async fn create(&self, name: &Name) -> Result<()> {
        let (path, _turn) = self.free_file(name).await?;
        let made = self.files.create(path).await;
        made.map_err(|refusal| lockspace::error(&name.resource, &refusal))
    }

    /// Removes the file of a resource.
    pub async fn delete(&self, name: &Name) -> Result<()> {
        let (path, _turn) = self.free_file(name).await?;
        let removed = self.files.remove(path).await;
        removed.map_err(|refusal| lockspace::error(&name.resource, &refusal))
    }

    /// The file of a resource that nobody has, to do something with.
    async fn free_file<'a>(&'a self, name: &'a Name) -> Result<(PathBuf, Option<Turn<'a>>)> {
        let mut path = PathBuf::new();
        let turn = self.turn(name, |inner| {
            let space = inner.spaces.space(&name.space)?;
            space.check_free(&name.resource)?;
            path = space.path(&name.resource)?;
            Ok(true)
        });
        let turn = turn.await?;
        Ok((path, turn))
    }

    /// Takes a resource. When this returns well, the lock outlives this daemon if the owner is a
    /// guest's process that is connected.
    ///
    /// # Errors
    /// Someone has it, the file can't be locked, or not in the time there is, or the owner is gone.
    pub async fn acquire(&self, name: &Name, owner: &Owner, mode: Mode, kept: Kept) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let holder = Holder::new(owner, SystemTime::now());
        let path = loop {
            let step = {
                let inner = &mut *self.lock();
                let step = self.acquire_step(inner, name, &holder, mode, kept)?;
                if let Step::Ours(_) = step {
                    inner.turns.begin(name.clone());
                }
                step
            };
            match step {
                Step::Done(_) => return Ok(()),
                Step::Wait(wait) => self.wait(wait, name, until).await?,
                Step::Ours(path) => break path,
            }
        };
        let turn = Turn { leases: self, name };
        let locked = self.files.lock(&path, mode, kept).await;
        let file = locked.map_err(|refusal| lockspace::error(&name.resource, &refusal))?;
        let refused = {
            let inner = &mut *self.lock();
            match inner.guests.check_alive(holder.pid) {
                Ok(()) => {
                    inner.keep(&self.notes, name, file, mode, holder)?;
                    return Ok(());
                }
                Err(refused) => refused,
            }
        };
        // It went while the file was waited for.
        if let Err(refusal) = self.files.unlock(&file, mode).await {
            tracing::error!("{}", lockspace::error(&name.resource, &refusal));
        }
        drop(turn);
        Err(refused)
    }

    /// The same, if nothing is to be waited for; otherwise nothing was done.
    pub fn acquire_now(
        &self,
        name: &Name,
        owner: &Owner,
        mode: Mode,
        kept: Kept,
    ) -> Option<Result<()>> {
        let holder = Holder::new(owner, SystemTime::now());
        match self.acquire_step(&mut self.lock(), name, &holder, mode, kept) {
            Ok(Step::Done(_)) => Some(Ok(())),
            Ok(Step::Wait(_) | Step::Ours(_)) => None,
            Err(refused) => Some(Err(refused)),
        }
    }

    /// Takes the resource now, or says that its turn may begin.
    fn acquire_step(
        &self,
        inner: &mut Inner,
        name: &Name,
        holder: &Holder,
        mode: Mode,
        kept: Kept,
    ) -> Result<Step<PathBuf>> {
        if let Some(wait) = inner.turns.wait(name) {
            return Ok(Step::Wait(wait));
        }
        let space = inner.spaces.space(&name.space)?;
        space.check(&name.resource, mode)?;
        inner.guests.check_alive(holder.pid)?;
        if let Some(held) = space.share(&name.resource, holder, mode)? {
            let taken = guests::taken(&name.space, &name.resource, held, holder.clone());
            inner.guests.taken(&inner.spaces, &self.notes, taken);
            return Ok(Step::Done(PathBuf::new()));
        }
        let path = space.path(&name.resource)?;
        let Some(locked) = self.files.lock_now(&path, mode, kept) else {
            return Ok(Step::Ours(path));
        };
        let file = locked.map_err(|refusal| lockspace::error(&name.resource, &refusal))?;
        inner.keep(&self.notes, name, file, mode, holder.clone())?;
        Ok(Step::Done(path))
    }

    /// Gives a resource back.
    ///
    /// # Errors
    /// It isn't the process's, or its file system doesn't answer: then it will be given back as soon
    /// as that does.
    pub async fn release(self: &Arc<Self>, name: &Name, pid: u32) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let step = self.release_step(&mut self.lock(), name, pid)?;
            match step {
                Step::Done(()) => return Ok(()),
                Step::Wait(wait) => self.wait(wait, name, until).await?,
                Step::Ours(()) => break,
            }
        }
        self.unlock_within(name, until).await
    }

    /// The same, if nothing is to be waited for; otherwise nothing was done.
    pub fn release_now(&self, name: &Name, pid: u32) -> Option<Result<()>> {
        let inner = &mut *self.lock();
        if !self.unlocks_now(inner, name) {
            return None;
        }
        match self.release_quickly(inner, name, pid, true) {
            Ok(Step::Done(())) => Some(Ok(())),
            Ok(Step::Wait(_) | Step::Ours(())) => None,
            Err(refused) => Some(Err(refused)),
        }
    }

    /// Gives the resource back now, or begins its turn.
    fn release_step(&self, inner: &mut Inner, name: &Name, pid: u32) -> Result<Step<()>> {
        let quick = self.unlocks_now(inner, name);
        self.release_quickly(inner, name, pid, quick)
    }

    /// The same, when it is known whether its file is unlocked `quick`ly.
    fn release_quickly(
        &self,
        inner: &mut Inner,
        name: &Name,
        pid: u32,
        quick: bool,
    ) -> Result<Step<()>> {
        if let Some(wait) = inner.turns.wait(name) {
            return Ok(Step::Wait(wait));
        }
        let space = inner.spaces.space(&name.space)?;
        // What can't be released must not be noted as given.
        space.check_release(&name.resource, pid)?;
        inner.guests.given(name, pid);
        match space.give_share(&name.resource, pid)? {
            Released::Shared => Ok(Step::Done(())),
            Released::Last => Ok(Self::unlock_step(inner, name, quick)),
        }
    }

    /// Whether the resource's file, if there is one, is unlocked without waiting.
    fn unlocks_now(&self, inner: &Inner, name: &Name) -> bool {
        let held = inner.spaces.resource(name);
        held.is_none_or(|held| self.files.unlocks_now(&held.file))
    }

    /// Unlocks what nobody is to have any more, or says that it takes time.
    fn unlock_step(inner: &mut Inner, name: &Name, quick: bool) -> Step<()> {
        let Ok(space) = inner.spaces.space(&name.space) else {
            return Step::Done(());
        };
        if !quick {
            inner.turns.begin(name.clone());
            return Step::Ours(());
        }
        if let Some(held) = space.forget(&name.resource)
            && let Err(refusal) = held.file.unlock(held.mode)
        {
            tracing::error!("{}", lockspace::error(&name.resource, &refusal));
        }
        Step::Done(())
    }

    /// Unlocks a resource whose turn has begun. It is done whoever still waits for it.
    async fn unlock_within(self: &Arc<Self>, name: &Name, until: Instant) -> Result<()> {
        let (sender, done) = oneshot::channel();
        let (this, owned) = (Arc::clone(self), name.clone());
        tokio::spawn(async move {
            this.unlock(&owned).await;
            // Nobody may listen any more.
            let _: std::result::Result<(), ()> = sender.send(());
        });
        self.wait(done, name, until).await
    }

    async fn unlock(&self, name: &Name) {
        let _turn = Turn { leases: self, name };
        let held = {
            let mut inner = self.lock();
            let space = inner.spaces.space(&name.space);
            let held = space.ok().and_then(|space| space.resource(&name.resource));
            match held.map(|held| (held.file.try_clone(), held.mode)) {
                Some((Ok(file), mode)) => (file, mode),
                Some((Err(e), _)) => {
                    tracing::error!("'{}' can't be unlocked: {e}", name.resource);
                    return;
                }
                None => return,
            }
        };
        let (file, mode) = held;
        if let Err(refusal) = self.files.unlock(&file, mode).await {
            tracing::error!("{}", lockspace::error(&name.resource, &refusal));
        }
        let mut inner = self.lock();
        if let Ok(space) = inner.spaces.space(&name.space) {
            space.forget(&name.resource);
        }
    }

    /// Frees a resource whoever holds it, and says what that was.
    ///
    /// # Errors
    /// Nobody has it, or its file system doesn't answer, as with [`Self::release`].
    pub async fn break_lease(self: &Arc<Self>, name: &Name) -> Result<(Mode, Kept, Vec<Holder>)> {
        let until = Instant::now() + PATIENCE;
        let what = loop {
            match self.break_step(name)? {
                Step::Done(what) => return Ok(what),
                Step::Wait(wait) => self.wait(wait, name, until).await?,
                Step::Ours(what) => break what,
            }
        };
        self.unlock_within(name, until).await?;
        Ok(what)
    }

    fn break_step(&self, name: &Name) -> Result<Step<(Mode, Kept, Vec<Holder>)>> {
        let inner = &mut *self.lock();
        if let Some(wait) = inner.turns.wait(name) {
            return Ok(Step::Wait(wait));
        }
        // A space that isn't there is told as it is.
        inner.spaces.space(&name.space)?;
        let Some(held) = inner.spaces.resource(name) else {
            return Err(Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Lockspace,
                format!("Lockspace resource '{}' is not locked", name.resource),
            ));
        };
        let what = (held.mode, held.file.kept(), held.holders.clone());
        for holder in &what.2 {
            inner.guests.given(name, holder.pid);
        }
        let quick = self.unlocks_now(inner, name);
        Ok(match Self::unlock_step(inner, name, quick) {
            Step::Ours(()) => Step::Ours(what),
            _ => Step::Done(what),
        })
    }

    /// Waits until nobody has the resource's file under way. Nothing when `wanted` says that there is
    /// nothing to do.
    async fn turn<'a>(
        &'a self,
        name: &'a Name,
        mut wanted: impl FnMut(&mut Inner) -> Result<bool>,
    ) -> Result<Option<Turn<'a>>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let wait = {
                let inner = &mut *self.lock();
                match inner.turns.wait(name) {
                    Some(wait) => wait,
                    None => {
                        if !wanted(inner)? {
                            return Ok(None);
                        }
                        inner.turns.begin(name.clone());
                        return Ok(Some(Turn { leases: self, name }));
                    }
                }
            };
            self.wait(wait, name, until).await?;
        }
    }

    async fn wait(&self, wait: Wait, name: &Name, until: Instant) -> Result<()> {
        match self.files.patiently(until, wait).await {
            // The sender's end is the end of the turn, however it comes.
            Some(_) => Ok(()),
            None => {
                let what = "the file system, which someone else is waiting for already,";
                Err(lockspace::silent(&name.resource, what))
            }
        }
    }

    /// The resources that are being given back and whose file systems have not answered.
    pub fn under_way(&self) -> Vec<String> {
        let inner = self.lock();
        let held = |name: &&Name| inner.spaces.resource(name).is_some();
        let names = inner.turns.names().filter(held);
        names.map(|name| name.resource.clone()).collect()
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
    pub fn guest_left(self: &Arc<Self>, pid: u32) -> usize {
        let held = self.lock().spaces.held_by(pid);
        let mut rest = Vec::new();
        for name in &held {
            let step = self.release_step(&mut self.lock(), name, pid);
            match step {
                Ok(Step::Done(())) => {}
                // Its turn has begun.
                Ok(Step::Ours(())) => rest.push((name.clone(), true)),
                Ok(Step::Wait(_)) => rest.push((name.clone(), false)),
                Err(e) => {
                    tracing::error!("'{}' of process {pid} is not released: {e}", name.resource);
                }
            }
        }
        if rest.is_empty() {
            self.forget_guest(pid);
        } else {
            tokio::spawn(Arc::clone(self).release_all(rest, pid));
        }
        held.len()
    }

    /// Gives back what takes time. The guest is forgotten last: until then the next program would
    /// go on with it.
    async fn release_all(self: Arc<Self>, names: Vec<(Name, bool)>, pid: u32) {
        for (name, begun) in names {
            if begun {
                self.unlock(&name).await;
                continue;
            }
            loop {
                let step = self.release_step(&mut self.lock(), &name, pid);
                match step {
                    Ok(Step::Wait(wait)) => {
                        // The sender's end is the end of the turn, however it comes.
                        let _ = wait.await;
                    }
                    Ok(Step::Ours(())) => {
                        self.unlock(&name).await;
                        break;
                    }
                    // Whoever was before us may have given it back.
                    Ok(Step::Done(())) | Err(_) => break,
                }
            }
        }
        self.forget_guest(pid);
    }

    fn forget_guest(&self, pid: u32) {
        if self.lock().guests.remove(pid).is_some() {
            self.notes.remove_guest(pid);
        }
    }

    /// Takes up what a daemon that died left with its guests.
    pub fn recover(notes: Notes, files: Files) -> Self {
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
        Self::new(inner, notes, files)
    }
}

/// The resource's file is under way, until this is dropped.
struct Turn<'a> {
    leases: &'a Leases,
    name: &'a Name,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.leases.lock().turns.end(self.name);
    }
}

impl Inner {
    /// The first holder of a resource whose file was locked.
    fn keep(
        &mut self,
        notes: &Notes,
        name: &Name,
        file: LeaseFile,
        mode: Mode,
        holder: Holder,
    ) -> Result<()> {
        let space = self.spaces.space(&name.space)?;
        let held = space.insert(&name.resource, file, mode, holder.clone());
        let taken = guests::taken(&name.space, &name.resource, held, holder);
        self.guests.taken(&self.spaces, notes, taken);
        Ok(())
    }

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
mod interleavings;
#[cfg(test)]
mod tests;
