//! The monitor socket: virtlxcd learns there of init and of the container's end (WIRE.md section 31).

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use virt_rpc::framing::{Header, MessageKind, Status, append_with};
use virt_rpc::protocol::lxc_monitor::{
    ExitEvent, ExitEventMsg, ExitStatus, InitEvent, InitEventMsg,
};
use virt_rpc::protocol::{EventMessage, Program};
use virt_rpc::xdr::Encode;

/// The serial of what is told.
const SERIAL: u32 = 1;

/// The socket, with its one client.
#[derive(Debug)]
pub(super) struct Monitor {
    listener: UnixListener,
    path: String,
    client: Option<UnixStream>,
    init_was_told: bool,
}

impl Monitor {
    /// Listens; what an earlier controller left is removed.
    pub(super) fn listen(path: &str) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        let listener = UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = listener?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            client: None,
            init_was_told: false,
        })
    }

    pub(super) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    pub(super) fn client(&self) -> Option<BorrowedFd<'_>> {
        self.client.as_ref().map(AsFd::as_fd)
    }

    /// Takes a client, unless there is one already.
    pub(super) fn accept(&mut self, init: i32) {
        let Ok((client, _)) = self.listener.accept() else {
            return;
        };
        if self.client.is_some() {
            return;
        }
        self.client = Some(client);
        if !self.init_was_told {
            self.init_was_told = true;
            let initpid = u64::try_from(init).unwrap_or(0);
            self.tell::<InitEvent>(&InitEventMsg { initpid });
        }
    }

    /// There are no calls: what a client sends, or its end, ends its connection.
    pub(super) fn hang_up(&mut self) {
        self.client = None;
    }

    /// Tells of the container's end.
    pub(super) fn exit(mut self, status: ExitStatus) {
        self.tell::<ExitEvent>(&ExitEventMsg { status });
        // It is in the way of nobody: the next controller replaces it.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Tells the client something. One that does not read gets no more.
    fn tell<E: EventMessage>(&mut self, message: &E::Msg) {
        let Some(client) = &mut self.client else {
            return;
        };
        let header = Header {
            prog: E::ROW.program.number(),
            vers: Program::VERSION,
            proc: E::ROW.number,
            kind: MessageKind::Message,
            serial: SERIAL,
            status: Status::Ok,
        };
        let mut bytes = Vec::new();
        let told = append_with(&mut bytes, &header, 0, |out| message.encode(out))
            .map_err(io::Error::other)
            .and_then(|()| client.write_all(&bytes));
        if told.is_err() {
            self.client = None;
        }
    }
}
