//! A daemon that replaces its own program in place (SIGUSR1) and loses nothing: its state, its
//! listening sockets and its clients, in the middle of a call or not, go to the next program of
//! the same process.
//!
//! The state travels in a sealed memfd: a line that says what it is, of which version, of which
//! process and with which digest, then the state in bincode. Before anything is given up, the
//! program that is about to take over is started once to read it; when it can't, the old one goes
//! on serving.

mod descriptors;
mod envelope;
mod state;
mod successor;

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use virt_rpc::server::{Listener, Server, Suspended};

pub use descriptors::Descriptors;
pub(crate) use state::{ClientV1, ListenerV1, ServerV1, StateV1};
pub(crate) use successor::{CHECK, Program, State, check_input};

/// How long clients' calls under way may take before they are disconnected instead of handed over.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a daemon of this kind keeps of itself. It has a version of its own inside.
#[derive(Debug, Default)]
pub struct Saved {
    /// Its state; descriptors are named by their numbers.
    pub state: Vec<u8>,
    /// The numbers of the descriptors that go along. They stay owned by the daemon.
    pub descriptors: Vec<i32>,
}

/// What the program that ran before in this process left to this one.
#[derive(Debug)]
pub struct Inherited {
    /// The daemon's own state, as its [`Saved`] was.
    pub state: Vec<u8>,
    /// The descriptors that came along.
    pub descriptors: Descriptors,
    servers: Vec<ServerV1>,
}

/// A server's sockets and clients, out of service.
pub(crate) struct Paused<S> {
    listeners: Vec<Listener>,
    clients: Vec<Suspended<S>>,
}

impl<S: Send + Sync + 'static> Paused<S> {
    /// Sockets of what has no clients to keep.
    pub(crate) fn listening(listeners: Vec<Listener>) -> Self {
        let clients = Vec::new();
        Self { listeners, clients }
    }

    pub(crate) async fn new(server: &Server<S>) -> Self {
        let (listeners, clients) = server.suspend(PATIENCE).await;
        Self { listeners, clients }
    }

    /// How the next program sees it, and the descriptors it needs, which stay open as long as what
    /// is returned.
    pub(crate) fn state(
        self,
        next_id: u64,
        name: &str,
        session: impl Fn(&S) -> Vec<u8>,
    ) -> Result<(ServerV1, Vec<OwnedFd>), String> {
        let mut open = Vec::new();
        let mut keep = |fd: OwnedFd| {
            let number = fd.as_raw_fd();
            open.push(fd);
            number
        };
        let mut state = ServerV1::new(name, next_id);
        for listener in self.listeners {
            let parts = listener.into_parts();
            let (fd, role, file) =
                parts.map_err(|e| format!("a listening socket can't be handed over: {e}"))?;
            state.listeners.push(ListenerV1::new(keep(fd), role, file));
        }
        for client in self.clients {
            let session = client.session.as_deref().map(&session);
            let socket = client.socket.try_clone();
            let socket = socket.map_err(|e| format!("a client can't be handed over: {e}"))?;
            let number = keep(socket.into());
            state.clients.push(ClientV1::new(&client, number, session));
        }
        Ok((state, open))
    }
}

impl Inherited {
    /// What was left for this program, if anything was.
    ///
    /// # Errors
    /// Something was left that can't be read: a sentence. The daemon must not start then, for it
    /// would serve without what it was left.
    pub(crate) fn take() -> Result<Option<Self>, String> {
        let Some(content) = successor::left_behind()? else {
            return Ok(None);
        };
        let state = StateV1::read(&content)?;
        let numbers = state.descriptors.iter().copied();
        Ok(Some(Self {
            state: state.own,
            descriptors: Descriptors::own(numbers)?,
            servers: state.servers,
        }))
    }

    /// Whether there is a server of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.servers.iter().any(|server| server.name == name)
    }

    /// Makes `server` go on where the one of that name stopped. `session` reads what was kept for
    /// a client.
    pub(crate) fn resume<S: Send + Sync + 'static>(
        &mut self,
        name: &str,
        server: &Server<S>,
        session: impl Fn(&[u8], &Arc<UnixStream>) -> Result<S, String>,
    ) -> Result<(), String> {
        let Some(place) = self.servers.iter().position(|server| server.name == name) else {
            return Err(format!("the server '{name}' is missing in what was left"));
        };
        let state = self.servers.swap_remove(place);
        server.number_clients_from(state.next_id);
        for client in state.clients {
            let fd = self.descriptors.take(client.fd)?;
            let client = client.suspended(fd, &session)?;
            server
                .resume(client)
                .map_err(|e| format!("a client can't be served: {e}"))?;
        }
        for listener in state.listeners {
            let listener = self.listener(listener)?;
            server
                .listen(listener)
                .map_err(|e| format!("a socket can't be served: {e}"))?;
        }
        Ok(())
    }

    /// The sockets of what has no clients, of that name; none where there was nothing such.
    ///
    /// # Errors
    /// One is missing: a sentence.
    pub(crate) fn listeners(&mut self, name: &str) -> Result<Vec<Listener>, String> {
        let Some(place) = self.servers.iter().position(|server| server.name == name) else {
            return Ok(Vec::new());
        };
        let state = self.servers.swap_remove(place);
        let listeners = state.listeners.into_iter();
        listeners.map(|listener| self.listener(listener)).collect()
    }

    /// What was to be left and stays here, for nobody took it.
    pub(crate) fn here(state: StateV1, open: Vec<OwnedFd>) -> Self {
        Self {
            state: state.own,
            descriptors: Descriptors::from(open),
            servers: state.servers,
        }
    }

    fn listener(&mut self, listener: ListenerV1) -> Result<Listener, String> {
        let fd = self.descriptors.take(listener.fd)?;
        let (role, file) = listener.parts()?;
        Listener::inherit(fd, role, file).map_err(|e| format!("a socket that was left: {e}"))
    }
}

pub(crate) fn numbers(open: &[OwnedFd]) -> Vec<i32> {
    open.iter().map(AsRawFd::as_raw_fd).collect()
}
