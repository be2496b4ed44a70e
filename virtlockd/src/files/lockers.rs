//! The daemon's end of the processes that wait for file systems: as few as there are calls under way,
//! never more than [`AT_ONE_MOUNT`] for one file system, so that one that hangs has a bounded number
//! and the others have theirs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use nix::libc;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::job::{Job, Outcome};
use super::locker::{ARGUMENT, MESSAGE_MAX, receive, send};
use super::mounts::Mounts;
use crate::lease_file::Refusal;

/// Processes that may wait for one file system at once.
const AT_ONE_MOUNT: usize = 8;
/// Processes that are kept though they have nothing to do.
const IDLE_MAX: usize = 2;
/// How long they are kept.
const IDLE_FOR: Duration = Duration::from_secs(10);
/// Between two looks at whether a process that was killed is gone.
const LOOK: Duration = Duration::from_millis(100);

/// The processes. Clones of the inside are shared with the tasks that look after them.
#[derive(Debug)]
pub struct Lockers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: Mutex<Pool>,
    /// Whoever waits since before this is to give up.
    give_up: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct Pool {
    mounts: Mounts,
    idle: Vec<(Locker, Instant)>,
    /// Whether someone looks after the idle ones.
    swept: bool,
    at_mount: HashMap<PathBuf, Weak<Semaphore>>,
    /// When those who wait began to.
    waiting: BTreeMap<u64, Instant>,
    next: u64,
}

/// One process.
#[derive(Debug)]
struct Locker {
    socket: AsyncFd<OwnedFd>,
    child: Child,
}

impl Lockers {
    pub(super) fn new() -> Self {
        look_after_children();
        Self(Arc::new(Shared {
            pool: Mutex::new(Pool {
                mounts: Mounts::new(),
                idle: Vec::new(),
                swept: false,
                at_mount: HashMap::new(),
                waiting: BTreeMap::new(),
                next: 0,
            }),
            give_up: watch::Sender::new(None),
        }))
    }

    /// Has a process do it, and waits for as long as `patience` says, or as long as it takes.
    pub(super) async fn run(
        &self,
        job: &Job,
        file: Option<BorrowedFd<'_>>,
        patience: Option<Duration>,
    ) -> Result<Option<OwnedFd>, Refusal> {
        let path = job.path();
        if path.as_os_str().len() >= libc::PATH_MAX as usize {
            let cause = io::Error::from_raw_os_error(libc::ENAMETOOLONG);
            return Err(Refusal::System("Unable to open resource".to_owned(), cause));
        }
        let Some(patience) = patience else {
            let slot = self.slot(path).acquire_owned().await;
            // The semaphore is never closed.
            let slot = slot.map_err(|_| broken(path))?;
            let mut locker = self.locker(path)?;
            let answer = locker.ask(job, file).await;
            return self.done(locker, slot, answer, path);
        };
        let until = Instant::now() + patience;
        let slot = self.patiently(until, self.slot(path).acquire_owned());
        let Some(Ok(slot)) = slot.await else {
            return Err(Refusal::Silent(path.to_owned()));
        };
        let mut locker = self.locker(path)?;
        match self.patiently(until, locker.ask(job, file)).await {
            Some(answer) => self.done(locker, slot, answer, path),
            None => {
                // Whatever it still gets done ends with it, for nobody else has the descriptor.
                tokio::spawn(locker.end(slot));
                Err(Refusal::Silent(path.to_owned()))
            }
        }
    }

    /// Waits until it is `until`, or until everyone is to give up.
    pub(super) async fn patiently<T>(
        &self,
        until: Instant,
        what: impl Future<Output = T>,
    ) -> Option<T> {
        let wait = Waiting::begin(&self.0);
        let mut give_up = self.0.give_up.subscribe();
        tokio::select! {
            biased;
            done = timeout_at(until, what) => done.ok(),
            // The sender lives as long as this does.
            _ = give_up.wait_for(|before| before.is_some_and(|t| wait.since <= t)) => None,
        }
    }

    pub(super) fn give_up(&self, age: Duration) {
        if let Some(before) = Instant::now().checked_sub(age) {
            self.0.give_up.send_replace(Some(before));
        }
    }

    pub(super) fn longest_wait(&self) -> Option<Duration> {
        self.0.pool().waiting.values().map(Instant::elapsed).max()
    }

    /// The slots of the path's file system.
    fn slot(&self, path: &Path) -> Arc<Semaphore> {
        let mut pool = self.0.pool();
        let point = pool.mounts.point_of(path);
        if let Some(slots) = pool.at_mount.get(&point).and_then(Weak::upgrade) {
            return slots;
        }
        pool.at_mount.retain(|_, slots| slots.strong_count() > 0);
        let slots = Arc::new(Semaphore::new(AT_ONE_MOUNT));
        pool.at_mount.insert(point, Arc::downgrade(&slots));
        slots
    }

    fn locker(&self, path: &Path) -> Result<Locker, Refusal> {
        if let Some((locker, _)) = self.0.pool().idle.pop() {
            return Ok(locker);
        }
        Locker::start().map_err(|e| {
            let what = format!("Unable to start a process that locks {}", path.display());
            Refusal::System(what, e)
        })
    }

    fn done(
        &self,
        locker: Locker,
        slot: OwnedSemaphorePermit,
        answer: io::Result<(Outcome, Option<OwnedFd>)>,
        path: &Path,
    ) -> Result<Option<OwnedFd>, Refusal> {
        match answer {
            Ok((outcome, file)) => {
                drop(slot);
                self.rest(locker);
                outcome.with(file)
            }
            Err(e) => {
                tracing::error!("a process that was to lock '{}': {e}", path.display());
                tokio::spawn(locker.end(slot));
                Err(Refusal::Lost(path.to_owned()))
            }
        }
    }

    /// The process has nothing to do.
    fn rest(&self, locker: Locker) {
        let mut pool = self.0.pool();
        pool.idle.push((locker, Instant::now()));
        if !std::mem::replace(&mut pool.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }
}

/// Ends the processes that have had nothing to do for a while, those beyond [`IDLE_MAX`] at once.
async fn sweep(shared: Weak<Shared>) {
    loop {
        sleep(Duration::from_secs(1)).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let mut ended = Vec::new();
        {
            let mut pool = shared.pool();
            let beyond = pool.idle.len().saturating_sub(IDLE_MAX);
            let mut kept = Vec::new();
            for (place, (locker, since)) in pool.idle.drain(..).enumerate() {
                // The last ones are those used last.
                if place < beyond || since.elapsed() >= IDLE_FOR {
                    ended.push(locker);
                } else {
                    kept.push((locker, since));
                }
            }
            pool.idle = kept;
            if pool.idle.is_empty() {
                pool.swept = false;
            }
        }
        for locker in ended {
            locker.reap().await;
        }
        if !shared.pool().swept {
            return;
        }
    }
}

impl Locker {
    fn start() -> io::Result<Self> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        // The version that runs, whatever is at its place by now.
        let child = Command::new("/proc/self/exe")
            .arg(ARGUMENT)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        let socket = virt_daemon::watch(ours, Interest::READABLE)?;
        Ok(Self { socket, child })
    }

    async fn ask(
        &mut self,
        job: &Job,
        file: Option<BorrowedFd<'_>>,
    ) -> io::Result<(Outcome, Option<OwnedFd>)> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        // It has read everything before: there is room.
        send(self.socket.get_ref().as_fd(), job, file, flags)?;
        let mut buffer = vec![0; MESSAGE_MAX];
        loop {
            let mut ready = self.socket.readable().await?;
            let received = ready.try_io(|socket| {
                receive(socket.get_ref().as_fd(), &mut buffer, RecvFlags::DONTWAIT)
            });
            let Ok(received) = received else {
                continue;
            };
            let (size, file) = received?;
            if size == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let bytes = buffer.get(..size).unwrap_or_default();
            let outcome = codec_error(virt_rpc::codec::from_bytes(bytes))?;
            return Ok((outcome, file));
        }
    }

    /// Kills it. Its slot is free when the kernel has let it go.
    async fn end(mut self, slot: OwnedSemaphorePermit) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.reap().await;
        drop(slot);
    }

    /// Waits for the end of one that was killed, or that ends because its socket does.
    async fn reap(self) {
        let Self { socket, mut child } = self;
        drop(socket);
        while let Ok(None) = child.try_wait() {
            sleep(LOOK).await;
        }
    }
}

fn codec_error<T>(read: Result<T, virt_rpc::codec::CodecError>) -> io::Result<T> {
    read.map_err(io::Error::other)
}

impl Shared {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        // Maps and lists that were being changed are still maps and lists.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Someone who waits, until it is dropped.
struct Waiting {
    shared: Arc<Shared>,
    number: u64,
    since: Instant,
}

impl Waiting {
    fn begin(shared: &Arc<Shared>) -> Self {
        let since = Instant::now();
        let mut pool = shared.pool();
        pool.next += 1;
        let number = pool.next;
        pool.waiting.insert(number, since);
        drop(pool);
        Self {
            shared: Arc::clone(shared),
            number,
            since,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.shared.pool().waiting.remove(&self.number);
    }
}

/// A process did not do as it was told.
pub(super) fn broken(path: &Path) -> Refusal {
    Refusal::Lost(path.to_owned())
}

/// The processes that the program before this one had are this process's children: they end when
/// they have nothing to wait for any more, and someone has to take notice.
fn look_after_children() {
    let children: HashSet<i32> = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            let numbers = text.split_whitespace();
            numbers
                .filter_map(|number| number.parse().ok())
                .collect::<Vec<i32>>()
        })
        .collect();
    for child in children {
        tokio::spawn(async move {
            let pid = nix::unistd::Pid::from_raw(child);
            let flags = Some(nix::sys::wait::WaitPidFlag::WNOHANG);
            while let Ok(nix::sys::wait::WaitStatus::StillAlive) =
                nix::sys::wait::waitpid(pid, flags)
            {
                sleep(LOOK).await;
            }
        });
    }
}
