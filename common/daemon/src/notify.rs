//! What systemd is told (sd_notify(3)); silence when nobody listens.

use std::time::Duration;

use sd_notify::NotifyState;

/// Clients are served from now on.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The configuration is being read again; [`ready`] ends it (Type=notify-reload).
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

fn send(state: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        tracing::warn!("systemd can't be told of the daemon's state: {e}");
    }
}
