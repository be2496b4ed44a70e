//! What systemd is told (sd_notify(3)); silence when nobody listens.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use sd_notify::NotifyState;

/// Clients are served from now on.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The configuration is being read again; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(e) => tracing::warn!("the monotonic clock can't be read: {e}"),
    }
}

/// The daemon is going.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// The daemon's main loop still turns.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// How often systemd wants [`alive`]: half of the unit's WatchdogSec.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// What the names begin with of what is kept, to tell it from sockets.
pub(crate) const KEPT: &str = "kept-";

/// Has systemd keep descriptors for the next program of this daemon, should this one die (FDSTORE=1;
/// the unit's FileDescriptorStoreMax= says how many). They are found again by `name`, which has at
/// most 200 bytes and no colon, in [`Foundation::kept`](crate::Foundation::kept).
pub fn keep(name: &str, descriptors: &[BorrowedFd<'_>]) {
    let name = format!("{KEPT}{name}");
    // Also when nobody is left at the other end: there may be something to read.
    let state = [
        NotifyState::FdStore,
        NotifyState::Custom("FDPOLL=0"),
        NotifyState::FdName(&name),
    ];
    if let Err(e) = sd_notify::notify_with_fds(&state, descriptors) {
        tracing::warn!("systemd can't be given descriptors to keep: {e}");
    }
}

/// Whether anyone is there to [`keep`] something.
pub fn keeps() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Has systemd close what it keeps by that name.
pub fn forget(name: &str) {
    let name = format!("{KEPT}{name}");
    send(&[NotifyState::FdStoreRemove, NotifyState::FdName(&name)]);
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        tracing::warn!("systemd can't be told of the daemon's state: {e}");
    }
}
