//! Accepting clients, up to the limits.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use super::client::Client;
use super::connection::Connection;
use super::handover::Suspended;
use super::identity::Identity;
use super::listener::{Listener, Role};
use super::meter::Meter;
use super::router::Router;
use super::settings::{Authentication, Limits, Settings};

/// How long accepting pauses when the process has no more descriptors (WIRE.md section 13).
const NO_DESCRIPTORS_PAUSE: Duration = Duration::from_secs(5);
/// How long a client may take to authenticate.
pub(super) const AUTHENTICATE_IN: Duration = Duration::from_secs(60);

/// Accepts clients and serves them until it is stopped. Clones are the same server.
#[derive(Debug)]
pub struct Server<S>(Arc<Shared<S>>);

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Shared<S> {
    pub router: Router<S>,
    pub settings: Settings,
    /// Those in force: the admin interface changes them.
    limits: Mutex<Limits>,
    uid: u32,
    clients: Mutex<Clients>,
    /// Those that were taken out of service and not collected yet.
    suspended: Mutex<Vec<Suspended<S>>>,
    /// Number of clients.
    count: watch::Sender<usize>,
    /// Slots of clients that have not authenticated.
    anonymous: Arc<Semaphore>,
    meter: Arc<Meter>,
}

#[derive(Debug, Default)]
struct Clients {
    next_id: u64,
    connected: BTreeMap<u64, Client>,
    accepting: Vec<(JoinHandle<()>, Arc<Listener>)>,
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Send + Sync + 'static> Server<S> {
    /// A server that has no sockets yet.
    pub fn new(router: Router<S>, settings: Settings) -> Self {
        let anonymous = anonymous_slots(settings.limits);
        let meter = Arc::new(Meter::new(router.programs()));
        Self(Arc::new(Shared {
            router,
            settings,
            limits: Mutex::new(settings.limits),
            uid: rustix::process::geteuid().as_raw(),
            clients: Mutex::new(Clients {
                next_id: 1,
                ..Clients::default()
            }),
            suspended: Mutex::default(),
            count: watch::Sender::new(0),
            anonymous: Arc::new(Semaphore::new(anonymous)),
            meter,
        }))
    }

    /// Starts accepting on a socket. Clients that connected before wait in its backlog until
    /// then.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn listen(&self, listener: Listener) -> io::Result<()> {
        let socket = listener.socket()?;
        let server = self.clone();
        let listener = Arc::new(listener);
        let role = listener.role();
        let accepting = tokio::spawn(async move { server.accept(socket, role).await });
        self.0.clients().accepting.push((accepting, listener));
        Ok(())
    }

    /// Serves one connected socket as if it had been accepted.
    pub fn adopt(&self, stream: UnixStream, role: Role) -> io::Result<()> {
        self.0.clone().admit(Arc::new(stream.into_std()?), role)
    }

    /// The clients that are connected now, oldest first.
    pub fn clients(&self) -> Vec<Client> {
        self.0.clients().connected.values().cloned().collect()
    }

    /// The number of clients, as it changes.
    pub fn client_count(&self) -> watch::Receiver<usize> {
        self.0.count.subscribe()
    }

    /// What is counted of calls.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.0.meter)
    }

    /// How many at once, now.
    pub fn limits(&self) -> Limits {
        *self.0.limits()
    }

    /// Changes how many clients there may be at once. Those above a lowered limit stay; a raised
    /// one lets waiting ones in.
    pub fn set_limits(&self, new: Limits) {
        let old = std::mem::replace(&mut *self.0.limits(), new);
        let (before, now) = (anonymous_slots(old), anonymous_slots(new));
        if now > before {
            self.0.anonymous.add_permits(now - before);
        } else {
            // Slots in use can't be taken back: they are missing until the daemon's end.
            self.0.anonymous.forget_permits(before - now);
        }
        // Whoever waits for the number of clients looks again.
        self.0.count.send_modify(|_| ());
    }

    /// Stops accepting; the sockets that were bound by path are removed.
    pub fn stop_listening(&self) {
        for (accepting, _) in self.0.clients().accepting.drain(..) {
            accepting.abort();
        }
    }

    /// Stops serving without ending anything: the sockets that were listened on, and every client
    /// as it is, once its calls under way are answered. Clients notice nothing but silence until
    /// someone goes on with them ([`Self::resume`], [`Listener::inherit`]); those whose calls are
    /// not answered within `patience` are disconnected.
    pub async fn suspend(&self, patience: Duration) -> (Vec<Listener>, Vec<Suspended<S>>) {
        let mut listeners = Vec::new();
        let accepting: Vec<_> = self.0.clients().accepting.drain(..).collect();
        for (task, listener) in accepting {
            task.abort();
            // Only now is nobody accepted any more.
            let _ = task.await;
            // The task has no share of it.
            listeners.extend(Arc::into_inner(listener));
        }
        for client in self.clients() {
            client.suspend();
        }
        let mut count = self.client_count();
        let all = tokio::time::timeout(patience, count.wait_for(|count| *count == 0)).await;
        if all.is_err() {
            for client in self.clients() {
                tracing::warn!("client {} is busy and is disconnected", client.id());
                client.kill();
            }
        }
        let mut suspended = std::mem::take(&mut *self.0.suspended_clients());
        suspended.sort_by_key(|client| client.id);
        (listeners, suspended)
    }

    /// Goes on with a client that was suspended, here or in the program that ran before in this
    /// process.
    ///
    /// # Errors
    /// The socket can't be watched.
    pub fn resume(&self, client: Suspended<S>) -> io::Result<()> {
        self.0.clone().resume(client)
    }

    /// The number the next client gets.
    pub fn next_client_id(&self) -> u64 {
        self.0.clients().next_id
    }

    /// Numbers clients from `id` on: none has a number that another one had before a hand-over.
    pub fn number_clients_from(&self, id: u64) {
        let mut clients = self.0.clients();
        clients.next_id = clients.next_id.max(id);
    }

    /// Stops accepting, lets the calls under way finish for at most `patience`, then ends all
    /// connections.
    pub async fn drain(&self, patience: Duration) {
        self.stop_listening();
        let clients = self.clients();
        let answered = async {
            for client in &clients {
                client.until_answered().await;
                client.close();
            }
            let mut count = self.client_count();
            // The sender lives as long as this server.
            let _ = count.wait_for(|count| *count == 0).await;
        };
        if tokio::time::timeout(patience, answered).await.is_err() {
            tracing::warn!("calls are still under way after {patience:?}; closing connections");
        }
        for client in self.clients() {
            client.kill();
        }
    }

    async fn accept(&self, socket: UnixListener, role: Role) {
        let mut count = self.client_count();
        loop {
            let below = |count: &usize| *count < self.0.limits().clients.max(1);
            if !below(&count.borrow_and_update()) {
                self.0.make_room();
            }
            if count.wait_for(below).await.is_err() {
                return;
            }
            let admitted = match socket.accept().await {
                Ok((stream, _)) => self.adopt(stream, role),
                Err(error) => Err(error),
            };
            if let Err(error) = admitted {
                tracing::error!("cannot accept a client: {error}");
                let errno = error.raw_os_error();
                let full = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
                if full.iter().any(|full| errno == Some(full.raw_os_error())) {
                    tokio::time::sleep(NO_DESCRIPTORS_PAUSE).await;
                }
            }
        }
    }
}

impl<S: Send + Sync + 'static> Shared<S> {
    /// Root and the daemon's own user.
    pub(super) fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == self.uid
    }

    fn admit(self: Arc<Self>, stream: Arc<StdUnixStream>, role: Role) -> io::Result<()> {
        let identity = Identity::of_peer(&*stream)?;
        let authentication = match role {
            Role::Main => self.settings.main,
            Role::ReadOnly => self.settings.readonly,
            Role::Admin | Role::Metrics => self.settings.admin,
            Role::Records => self.settings.records,
        };
        let authenticated = match authentication {
            Authentication::None => true,
            Authentication::Polkit => self.trusts(identity.uid),
            Authentication::OwnUser if identity.uid == self.uid => true,
            Authentication::RootAndOwnUser if self.trusts(identity.uid) => true,
            Authentication::Also(users)
                if self.trusts(identity.uid) || users.contains(&identity.uid) =>
            {
                true
            }
            Authentication::OwnUser | Authentication::RootAndOwnUser | Authentication::Also(_) => {
                tracing::warn!(
                    "a client of user {} is refused: this socket is not for it",
                    identity.uid
                );
                return Ok(());
            }
        };
        let client = self.register(role, identity, authenticated, &stream);
        tokio::spawn(async move {
            let _registered = Registered {
                server: Arc::clone(&self),
                client: client.clone(),
            };
            let connection = match Connection::new(stream, client, Arc::clone(&self)) {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::error!("a client is turned away: {error}");
                    return;
                }
            };
            if authenticated {
                connection.serve(None).await;
            } else {
                self.serve_anonymous(connection).await;
            }
        });
        Ok(())
    }

    fn resume(self: Arc<Self>, suspended: Suspended<S>) -> io::Result<()> {
        let stream = suspended.socket;
        stream.set_nonblocking(true)?;
        let client = {
            let mut clients = self.clients();
            let (id, role) = (suspended.id, suspended.role);
            let (since, identity) = (suspended.since, suspended.identity);
            let client = Client::new(id, role, since, identity, true, &stream, &self.meter);
            if suspended.readonly {
                client.make_readonly();
            }
            clients.next_id = clients.next_id.max(id + 1);
            clients.connected.insert(id, client.clone());
            self.count.send_replace(clients.connected.len());
            client
        };
        let registered = Registered {
            server: Arc::clone(&self),
            client: client.clone(),
        };
        let mut connection = Connection::new(stream, client, self)?;
        connection.take_up(suspended.session, suspended.input, &suspended.output);
        tokio::spawn(async move {
            let _registered = registered;
            connection.serve(None).await;
        });
        Ok(())
    }

    /// Keeps a client until [`Server::suspend`] collects it.
    pub(super) fn suspended(&self, client: Suspended<S>) {
        self.suspended_clients().push(client);
    }

    fn suspended_clients(&self) -> MutexGuard<'_, Vec<Suspended<S>>> {
        // Pushing leaves a whole list whatever happens.
        self.suspended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Clients above the limit are not read until others have authenticated or left: to them it
    /// is as if they waited in the backlog, but those that need no authentication pass them.
    async fn serve_anonymous(&self, mut connection: Connection<S>) {
        let waiting = connection.client.clone();
        let slot = tokio::select! {
            slot = Arc::clone(&self.anonymous).acquire_owned() => slot,
            () = waiting.closed() => return,
        };
        // The semaphore is never closed; without a slot the client would not be served at all.
        let Ok(slot) = slot else {
            return;
        };
        connection.slot = Some(slot);
        connection
            .serve(Some(Instant::now() + AUTHENTICATE_IN))
            .await;
    }

    /// Ends the connection that has waited longest without having said who it is, if there is one:
    /// strangers must not keep those out who may come in.
    fn make_room(&self) {
        let clients = self.clients();
        let stranger = clients
            .connected
            .values()
            .find(|client| !client.is_authenticated() && !client.is_closed());
        if let Some(stranger) = stranger {
            stranger.kill();
        }
    }

    fn register(
        &self,
        role: Role,
        identity: Identity,
        authenticated: bool,
        socket: &Arc<StdUnixStream>,
    ) -> Client {
        let mut clients = self.clients();
        let id = clients.next_id;
        clients.next_id += 1;
        let client = Client::new(
            id,
            role,
            SystemTime::now(),
            identity,
            authenticated,
            socket,
            &self.meter,
        );
        clients.connected.insert(id, client.clone());
        self.count.send_replace(clients.connected.len());
        client
    }

    fn unregister(&self, id: u64) {
        let mut clients = self.clients();
        clients.connected.remove(&id);
        self.count.send_replace(clients.connected.len());
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        // Plain numbers are whole at any time.
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        // A map that was being changed is still a map.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn anonymous_slots(limits: Limits) -> usize {
    match limits.anonymous {
        0 => Semaphore::MAX_PERMITS,
        limit => limit.min(Semaphore::MAX_PERMITS),
    }
}

/// A client that counts, until its task ends in whatever way.
struct Registered<S: Send + Sync + 'static> {
    server: Arc<Shared<S>>,
    client: Client,
}

impl<S: Send + Sync + 'static> Drop for Registered<S> {
    fn drop(&mut self) {
        self.client.kill();
        self.server.unregister(self.client.id());
    }
}
