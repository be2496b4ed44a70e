//! The terminals of a container, in its own instance of devpts. Its side is made by its init, which
//! hands the other side to the controller.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Makes `count` terminals, sends their other sides, and gives the first.
pub(super) fn make(count: u32, gate: &UnixStream) -> Result<Option<OwnedFd>, String> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut first = None;
    for number in 0..count {
        let failed = |e: rustix::io::Errno| format!("cannot make console {number}: {e}");
        let other = openat(CWD, "/dev/pts/ptmx", flags, Mode::empty()).map_err(failed)?;
        rustix::pty::unlockpt(&other).map_err(failed)?;
        let name = rustix::pty::ptsname(&other, Vec::new()).map_err(failed)?;
        // The kernel's answer is the path below /dev/pts of this instance.
        let name = name.to_string_lossy().into_owned();
        let own = openat(CWD, &*name, flags, Mode::empty()).map_err(failed)?;
        for link in links(number) {
            symlink(&name, &link).map_err(|e| format!("cannot make '{link}': {e}"))?;
        }
        send(gate, &other).map_err(failed)?;
        first.get_or_insert(own);
    }
    Ok(first)
}

/// The other names of a terminal.
fn links(number: u32) -> Vec<String> {
    let tty = format!("/dev/tty{}", number + 1);
    match number {
        0 => vec!["/dev/console".into(), tty],
        _ => vec![tty],
    }
}

/// Makes a terminal that of this process and of what it becomes.
pub(super) fn take(terminal: Option<OwnedFd>) -> Result<(), String> {
    let failed = |e: rustix::io::Errno| format!("cannot take the console: {e}");
    let Some(terminal) = terminal else {
        return Ok(());
    };
    rustix::process::ioctl_tiocsctty(&terminal).map_err(failed)?;
    rustix::stdio::dup2_stdin(&terminal).map_err(failed)?;
    rustix::stdio::dup2_stdout(&terminal).map_err(failed)?;
    rustix::stdio::dup2_stderr(&terminal).map_err(failed)
}

fn send(gate: &UnixStream, terminal: &OwnedFd) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [terminal.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(
        gate,
        &[IoSlice::new(b"t")],
        &mut control,
        SendFlags::empty(),
    )?;
    Ok(())
}

/// Receives the other side of a terminal.
///
/// # Errors
/// What came instead.
pub(super) fn receive(gate: &UnixStream) -> Result<OwnedFd, Vec<u8>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let came = recvmsg(gate, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
        .map_err(|e| e.to_string().into_bytes())?;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fd.ok_or_else(|| byte.iter().copied().take(came.bytes).collect())
}
