//! The guest's process says to its lock manager that it is the guest's, between fork and exec: the
//! connection is the process's own, and stays open in the QEMU that it becomes, so that the kernel
//! tells the lock manager of the guest's end (virtlockd: WIRE.md section 16; sanlock: sanlock(8)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};
use std::time::Duration;

use crate::leases::{LockdRegistration, Registration, SanlockRegistration};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};

/// How long virtlockd may take for each answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer that is no error: its length, a header, and nothing else.
const ANSWER: usize = 28;
/// Where in it the status is; 0 is well.
const STATUS: std::ops::Range<usize> = 24..28;

/// A registration in a form that needs nothing but system calls.
#[derive(Debug)]
pub(super) enum Prepared {
    /// To virtlockd.
    Lockd {
        address: SocketAddrUnix,
        what: LockdRegistration,
    },
    /// To sanlock.
    Sanlock(SanlockRegistration),
}

impl Prepared {
    /// # Errors
    /// The path is longer than sockets allow, or the message too short for a number.
    pub(super) fn new(what: Registration) -> io::Result<Self> {
        let what = match what {
            Registration::Lockd(what) => what,
            Registration::Sanlock(what) => return Ok(Self::Sanlock(what)),
        };
        if what.register.get(what.numbers.clone()).is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let address = SocketAddrUnix::new(&what.socket)?;
        Ok(Self::Lockd { address, what })
    }

    /// Says it for this process. Only system calls, on memory that is there: no allocation, no lock,
    /// no panic.
    ///
    /// # Errors
    /// The system's; CONNREFUSED also when the lock manager answers with an error.
    pub(super) fn say(&mut self) -> io::Result<()> {
        match self {
            Self::Lockd { address, what } => say_to_lockd(address, what),
            Self::Sanlock(what) => what.say(),
        }
    }
}

fn say_to_lockd(address: &SocketAddrUnix, what: &mut LockdRegistration) -> io::Result<()> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    let numbers = what.register.get_mut(what.numbers.clone());
    for place in numbers.unwrap_or_default().chunks_exact_mut(4) {
        place.copy_from_slice(&pid.to_be_bytes());
    }
    // Not closed on exec: that is what it is for.
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::empty(),
        None,
    )?;
    for timeout in [Timeout::Recv, Timeout::Send] {
        set_socket_timeout(&socket, timeout, Some(PATIENCE))?;
    }
    connect(&socket, address)?;
    call(socket.as_fd(), &what.register)?;
    call(socket.as_fd(), &what.restrict)?;
    // Open for as long as the guest lives.
    let _ = socket.into_raw_fd();
    Ok(())
}

fn call(socket: BorrowedFd<'_>, message: &[u8]) -> io::Result<()> {
    let mut rest = message;
    while !rest.is_empty() {
        let sent = send(socket, rest, SendFlags::NOSIGNAL)?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    let mut answer = [0; ANSWER];
    let mut filled = 0;
    while filled < ANSWER {
        let Some(room) = answer.get_mut(filled..) else {
            break;
        };
        let (received, _) = recv(socket, room, RecvFlags::empty())?;
        if received == 0 {
            return Err(rustix::io::Errno::CONNREFUSED.into());
        }
        filled += received;
    }
    let length = answer.get(..4) == Some(&28_u32.to_be_bytes());
    match answer.get(STATUS) {
        Some([0, 0, 0, 0]) if length => Ok(()),
        _ => Err(rustix::io::Errno::CONNREFUSED.into()),
    }
}
