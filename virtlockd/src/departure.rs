//! A guest's process is gone, or its connection is: it must not go on without its leases
//! (WIRE.md section 16).

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, pidfd_send_signal};
use tokio::io::Interest;

use crate::leases::Leases;
use crate::notes::Process;
use crate::recovery;

/// Between two looks at whether a process that was told to end has done so.
const LOOK: Duration = Duration::from_millis(200);
/// The look at which it is killed.
const KILL_AT: u32 = 8;
/// The look at which it is given up.
const GIVE_UP_AT: u32 = 15;

/// Looks after a guest's process: what it holds is free when it ends.
pub fn watch(leases: Arc<Leases>, process: Process) {
    let Some(pidfd) = recovery::open_process(process) else {
        leases.guest_left(process.pid);
        return;
    };
    tokio::spawn(async move {
        if let Ok(pidfd) = virt_daemon::watch(pidfd, Interest::READABLE)
            && pidfd.readable().await.is_ok()
        {
            leases.guest_left(process.pid);
            leases.lock().guests.ended(process.pid);
        }
    });
}

/// The connection of a guest's process is closed. What it held is free; a process that still held
/// something and goes on is ended.
pub fn connection_closed(leases: &Arc<Leases>, process: Process) {
    leases.lock().guests.ends(process);
    let held = leases.guest_left(process.pid);
    if held == 0 {
        return;
    }
    // It usually is gone: that is why the connection closed.
    let Some(pidfd) = recovery::open_process(process) else {
        return;
    };
    tracing::warn!(
        "process {} has closed its connection while it held {held} leases; it is ended",
        process.pid
    );
    tokio::spawn(end(process.pid, pidfd));
}

async fn end(pid: u32, pidfd: OwnedFd) {
    let signal = |signal| {
        if let Err(e) = pidfd_send_signal(&pidfd, signal)
            && e != rustix::io::Errno::SRCH
        {
            tracing::error!("process {pid} can't be ended: {e}");
        }
    };
    signal(Signal::TERM);
    for look in 1..=GIVE_UP_AT {
        tokio::time::sleep(LOOK).await;
        if recovery::has_ended(&pidfd) {
            return;
        }
        if look == KILL_AT {
            signal(Signal::KILL);
        }
    }
    tracing::error!("process {pid} does not end; it goes on without its leases");
}
