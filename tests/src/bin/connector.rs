//! Connects to a socket as another user and hands the connection over: `connector UID GID SOCKET`, with
//! a socket for its standard input, which the descriptor is sent over.
//!
//! It stays until that ends. Who is asked about is the process that connected, which has to be there, and
//! to be that user's: polkit looks at both.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's own process: failing loudly is its way to report"
)]

use std::io::{IoSlice, Read, stdin};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("connector UID GID SOCKET");
    let (uid, gid) = (next().parse().unwrap(), next().parse().unwrap());
    setgroups(&[]).expect("setgroups");
    setgid(Gid::from_raw(gid)).expect("setgid");
    setuid(Uid::from_raw(uid)).expect("setuid");
    let connection = UnixStream::connect(next()).expect("connect");

    let descriptors = [connection.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut attached = SendAncillaryBuffer::new(&mut space);
    assert!(attached.push(SendAncillaryMessage::ScmRights(&descriptors)));
    sendmsg(
        stdin(),
        &[IoSlice::new(b"x")],
        &mut attached,
        SendFlags::empty(),
    )
    .expect("hand it over");
    drop(connection);
    let _ = stdin().read_to_end(&mut Vec::new());
}
