//! A connection of another user's, in our hands.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::keeper::sibling;

/// The process that connected. The daemon takes what is said over the connection for its words as long
/// as it lives; dropping this ends it.
#[derive(Debug)]
pub struct Somebody {
    process: Child,
    /// Its end tells the process to end.
    _channel: UnixStream,
}

impl Somebody {
    /// A process of that user and group that connects to a socket, and the connection.
    ///
    /// # Panics
    /// When it can't connect, or this is not root.
    pub fn connect(uid: u32, gid: u32, socket: &Path) -> (Self, UnixStream) {
        let (channel, theirs) = UnixStream::pair().expect("a pair");
        let process = Command::new(sibling("connector"))
            .args([uid.to_string(), gid.to_string()])
            .arg(socket)
            .stdin(OwnedFd::from(theirs))
            .spawn()
            .expect("start the connector");
        let mut byte = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut attached = RecvAncillaryBuffer::new(&mut space);
        recvmsg(
            &channel,
            &mut [IoSliceMut::new(&mut byte)],
            &mut attached,
            RecvFlags::CMSG_CLOEXEC,
        )
        .expect("the connection");
        let connection = attached.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let connection = connection.expect("the connector could not connect");
        let this = Self {
            process,
            _channel: channel,
        };
        (this, UnixStream::from(connection))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it; the connection stays.
    pub fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Somebody {
    fn drop(&mut self) {
        self.end();
    }
}
