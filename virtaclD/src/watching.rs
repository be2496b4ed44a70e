//! Noticing that the files of policies have changed (inotify(7)).

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::Interest;

use crate::decisions::Decisions;

/// A change is acted on once nothing has changed for this long: editors and package managers write
/// several files, and one in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How often a folder that is not there is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What makes the folder be read again.
const CHANGES: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Watches the folder of policies as long as the daemon runs.
pub fn begin(decisions: &Arc<Decisions>) {
    let decisions = Arc::clone(decisions);
    tokio::spawn(async move {
        let mut there = true;
        loop {
            match watch(&decisions, &mut there).await {
                Ok(()) => {}
                Err(e) => {
                    if there {
                        tracing::warn!(
                            "changes of the policies in '{}' can't be noticed ({e}); they take \
                             effect on SIGHUP, and the folder is looked for again",
                            decisions.policy().folder().display()
                        );
                    }
                    there = false;
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    });
}

/// Reloads on every change until the folder itself goes.
async fn watch(decisions: &Arc<Decisions>, there: &mut bool) -> std::io::Result<()> {
    let queue = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
    inotify::add_watch(&queue, decisions.policy().folder(), CHANGES)?;
    if !std::mem::replace(there, true) {
        // It came after the last look.
        reload(decisions);
    }
    let queue = virt_daemon::watch(queue, Interest::READABLE)?;
    loop {
        queue.readable().await?.clear_ready();
        let mut gone = false;
        loop {
            match read(queue.get_ref()) {
                Ok(last) => gone |= last,
                Err(Errno::AGAIN) => match tokio::time::timeout(QUIET, queue.readable()).await {
                    Ok(ready) => ready?.clear_ready(),
                    Err(_) => break,
                },
                Err(e) => return Err(e.into()),
            }
        }
        reload(decisions);
        if gone {
            *there = false;
            return Ok(());
        }
    }
}

/// Reads an event; true when it is the last one.
fn read(queue: &OwnedFd) -> Result<bool, Errno> {
    // Room for one event with the longest name.
    let mut buffer = [MaybeUninit::uninit(); 512];
    let mut reader = inotify::Reader::new(queue, &mut buffer);
    let mut last = false;
    loop {
        let event = reader.next()?.events();
        last |=
            event.intersects(ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF | ReadFlags::IGNORED);
        if reader.is_buffer_empty() {
            return Ok(last);
        }
    }
}

/// What becomes of it is in the log; the next change is not kept waiting for drivers.
fn reload(decisions: &Arc<Decisions>) {
    let decisions = Arc::clone(decisions);
    tokio::spawn(async move { decisions.reload().await });
}
