//! Who opens, locks and unlocks files: this process where that can't take long, else processes of
//! their own, for a file system that hangs must hold up nobody but those who want something of it.
//!
//! Processes and not threads: a thread that the kernel doesn't let go would keep this process from
//! replacing its program, and from dying. A lock taken elsewhere is as good as one taken here, for it
//! belongs to the open file description (fcntl(2)), which is sent over.

mod here;
mod job;
mod locker;
mod lockers;
mod mounts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use here::Here;
use job::Job;
use lockers::Lockers;
use tokio::time::Instant;

pub use locker::{ARGUMENT, serve};

use crate::lease_file::{Kept, LeaseFile, Mode, Refusal};

/// How long someone waits for a file system: less than the driver waits for us, so that it is told
/// what is wrong.
pub const PATIENCE: Duration = Duration::from_secs(7);

/// The way to files.
#[derive(Debug)]
pub enum Files {
    /// All in this thread: for programs that serve nobody.
    Direct,
    /// As other processes would, at moments that the value determines.
    #[cfg(test)]
    Interleaved(tests::Moments),
    /// What may take long in other processes.
    Daemon {
        /// What is done here.
        here: Here,
        /// The others.
        lockers: Lockers,
    },
}

impl Files {
    /// The way of a daemon.
    pub fn of_daemon() -> Self {
        Self::Daemon {
            here: Here::new(),
            lockers: Lockers::new(),
        }
    }

    /// Locks a file now, if that can't take long.
    pub fn lock_now(
        &self,
        path: &Path,
        mode: Mode,
        kept: Kept,
    ) -> Option<Result<LeaseFile, Refusal>> {
        match self {
            Self::Direct => Some(LeaseFile::lock(path, mode, kept)),
            #[cfg(test)]
            Self::Interleaved(moments) => {
                (moments.below(3) == 0).then(|| LeaseFile::lock(path, mode, kept))
            }
            Self::Daemon { here, .. } => here.lock(path, mode, kept),
        }
    }

    /// Whether [`Self::unlock_now`] can't take long.
    pub fn unlocks_now(&self, file: &LeaseFile) -> bool {
        match self {
            Self::Direct => true,
            #[cfg(test)]
            Self::Interleaved(moments) => moments.below(3) == 0,
            Self::Daemon { here, .. } => file.kept() == Kept::File && here.is_quick(file),
        }
    }

    /// Locks a file.
    ///
    /// # Errors
    /// Someone has it, the system refuses, or the file system doesn't answer.
    pub async fn lock(&self, path: &Path, mode: Mode, kept: Kept) -> Result<LeaseFile, Refusal> {
        #[cfg(test)]
        if let Self::Interleaved(moments) = self {
            moments.pass().await;
            let locked = LeaseFile::lock(path, mode, kept);
            moments.pass().await;
            return locked;
        }
        let Self::Daemon { lockers, .. } = self else {
            return LeaseFile::lock(path, mode, kept);
        };
        let job = Job::Lock {
            path: path.to_owned(),
            mode,
            kept,
        };
        let file = lockers.run(&job, None, Some(PATIENCE)).await?;
        let file = file.ok_or_else(|| lockers::broken(path))?;
        Ok(LeaseFile::locked(file, path.to_owned(), kept))
    }

    /// Unlocks a file, however long that takes.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn unlock(&self, file: &LeaseFile, mode: Mode) -> Result<(), Refusal> {
        #[cfg(test)]
        if let Self::Interleaved(moments) = self {
            moments.pass().await;
            let unlocked = file.unlock(mode);
            moments.pass().await;
            return unlocked;
        }
        let Self::Daemon { lockers, .. } = self else {
            return file.unlock(mode);
        };
        let job = Job::Unlock {
            path: file.path().to_owned(),
            mode,
            kept: file.kept(),
        };
        let fd = Some(file.descriptor());
        match lockers.run(&job, fd, None).await {
            // The process was lost on the way, which says nothing about the file.
            Err(Refusal::Lost(_)) => lockers.run(&job, fd, None).await.map(drop),
            done => done.map(drop),
        }
    }

    /// Makes the file of a lease that will be taken later; one that is there stays.
    pub async fn create(&self, path: PathBuf) -> Result<(), Refusal> {
        self.run(Job::Create { path }).await
    }

    /// Removes such a file; one that isn't there is no error.
    pub async fn remove(&self, path: PathBuf) -> Result<(), Refusal> {
        self.run(Job::Remove { path }).await
    }

    /// Makes the folder of a lock space; one that is there stays.
    pub async fn make_folder(&self, path: PathBuf) -> Result<(), Refusal> {
        self.run(Job::MakeFolder { path }).await
    }

    /// Waits until it is `until`, or until everyone is to give up.
    pub async fn patiently<T>(&self, until: Instant, what: impl Future<Output = T>) -> Option<T> {
        match self {
            Self::Direct => Some(what.await),
            #[cfg(test)]
            Self::Interleaved(_) => Some(what.await),
            Self::Daemon { lockers, .. } => lockers.patiently(until, what).await,
        }
    }

    /// Those who have waited for longer than `age` get their answer now: that there is none.
    pub fn give_up(&self, age: Duration) {
        if let Self::Daemon { lockers, .. } = self {
            lockers.give_up(age);
        }
    }

    /// How long the one has waited who has waited longest.
    pub fn longest_wait(&self) -> Option<Duration> {
        match self {
            Self::Direct => None,
            #[cfg(test)]
            Self::Interleaved(_) => None,
            Self::Daemon { lockers, .. } => lockers.longest_wait(),
        }
    }

    async fn run(&self, job: Job) -> Result<(), Refusal> {
        match self {
            Self::Direct => job.run(None).map(drop),
            #[cfg(test)]
            Self::Interleaved(_) => job.run(None).map(drop),
            Self::Daemon { lockers, .. } => lockers.run(&job, None, Some(PATIENCE)).await.map(drop),
        }
    }
}

impl Here {
    fn is_quick(&self, file: &LeaseFile) -> bool {
        file.is_at_hand() || self.is_on_quick_mount(file.descriptor())
    }
}

#[cfg(test)]
pub mod tests {
    //! Moments at which tests have others go on.

    use std::sync::atomic::{AtomicU64, Ordering};

    /// Numbers that look random and are the same for the same beginning (xorshift): how many other
    /// tasks have their turn before this one goes on.
    #[derive(Debug)]
    pub struct Moments(AtomicU64);

    impl Moments {
        /// From a beginning that is not 0.
        pub fn new(seed: u64) -> Self {
            Self(AtomicU64::new(seed.max(1)))
        }

        /// A number below `bound`.
        pub fn below(&self, bound: u64) -> u64 {
            let mut state = self.0.load(Ordering::Relaxed);
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            self.0.store(state, Ordering::Relaxed);
            state % bound
        }

        /// Lets others have their turn.
        pub async fn pass(&self) {
            for _ in 0..self.below(6) {
                tokio::task::yield_now().await;
            }
        }
    }
}
