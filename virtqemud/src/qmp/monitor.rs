//! The asynchronous shell around the protocol: one task per connection.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};

use super::error::QmpError;
use super::line::LineBuffer;
use super::message::{CommandError, Event, Greeting, Message, command_line};

/// How long a command may take unless told otherwise.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// Commands that may wait for being written or answered, per connection.
const MAX_WAITING: usize = 1024;

/// Events that may wait for being read. QEMU itself limits the rate of most events; one that
/// has this many unread is flooding us and is cut off.
const MAX_EVENTS: usize = 16 * 1024;

type Outcome = Result<Value, CommandError>;

/// A handle on one QEMU's monitor; clones share the connection, which closes with the last.
#[derive(Debug, Clone)]
pub struct Monitor {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Outgoing>,
    deadline: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    /// A command ran out of time and nothing was heard since.
    silent: AtomicBool,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        // The map is whole between any two statements that hold the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Outgoing {
    id: u64,
    line: Vec<u8>,
    fd: Option<OwnedFd>,
}

/// What a fresh connection gives.
#[derive(Debug)]
pub struct Connected {
    /// For commands. `qmp_capabilities` was sent already.
    pub monitor: Monitor,
    /// News, in order. Ends when QEMU hangs up.
    pub events: mpsc::Receiver<Event>,
    /// QEMU's first words and its answer to `qmp_capabilities`.
    pub ready: Ready,
}

impl Monitor {
    /// Takes a connected socket and starts the conversation. Nothing is waited for: commands
    /// may follow at once and are answered once QEMU is up (await [`Ready`] to know when).
    ///
    /// # Errors
    /// When the socket can't be made non-blocking or registered with the runtime.
    pub fn start(socket: std::os::unix::net::UnixStream) -> io::Result<Connected> {
        Self::start_within(socket, DEFAULT_DEADLINE)
    }

    /// As [`Monitor::start`], for a QEMU that may take that long to come up.
    ///
    /// # Errors
    /// As [`Monitor::start`].
    pub fn start_within(
        socket: std::os::unix::net::UnixStream,
        patience: Duration,
    ) -> io::Result<Connected> {
        socket.set_nonblocking(true)?;
        let stream = UnixStream::from_std(socket)?;
        let (commands, queue) = mpsc::channel(MAX_WAITING);
        let (event_sender, events) = mpsc::channel(MAX_EVENTS);
        let (greeting_sender, greeting) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let connection = Connection {
            stream,
            queue,
            shared: Arc::clone(&shared),
            events: event_sender,
            greeting: Some(greeting_sender),
            lines: LineBuffer::default(),
        };
        tokio::spawn(connection.run());
        let monitor = Self {
            shared,
            commands,
            deadline: DEFAULT_DEADLINE,
        };
        let capabilities = monitor.within(patience).send("qmp_capabilities", None);
        Ok(Connected {
            ready: Ready {
                greeting,
                capabilities,
            },
            monitor,
            events,
        })
    }

    /// The same connection with another deadline for what is sent through this handle.
    pub fn within(&self, deadline: Duration) -> Self {
        Self {
            deadline,
            ..self.clone()
        }
    }

    /// Whether the last commands ran out of time and QEMU said nothing since. Callers that
    /// can do without the monitor skip it then.
    pub fn is_silent(&self) -> bool {
        self.shared.silent.load(Ordering::Relaxed)
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.commands.is_closed()
    }

    /// Queues a command at once; the result is awaited separately, so several commands can be
    /// under way together. QEMU answers them in the order in which they were sent.
    pub fn send(&self, command: &'static str, arguments: Option<Value>) -> Pending {
        self.send_with_fd(command, arguments, None)
    }

    /// As [`Monitor::send`], passing a descriptor along with the command (`getfd`, `add-fd`).
    pub fn send_with_fd(
        &self,
        command: &'static str,
        arguments: Option<Value>,
        fd: Option<OwnedFd>,
    ) -> Pending {
        self.enqueue(command.to_owned(), fd, |id| {
            command_line(id, command, arguments.as_ref())
        })
    }

    /// Runs a command and reads its result as a `T`.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn query<T: DeserializeOwned>(
        &self,
        command: &'static str,
        arguments: Option<Value>,
    ) -> Result<T, QmpError> {
        self.send(command, arguments).read().await
    }

    /// Runs a command whose result carries nothing.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn run(
        &self,
        command: &'static str,
        arguments: Option<Value>,
    ) -> Result<(), QmpError> {
        self.send(command, arguments).await.map(drop)
    }

    /// Runs a command written by a client (`virsh qemu-monitor-command`) and gives the reply as
    /// QEMU's whole object, success or not; the client's own `id` is given back in it.
    ///
    /// # Errors
    /// [`QmpError::Unexpected`] when the text is no JSON object; else as any command, except
    /// that a refusal is part of the reply.
    pub async fn pass_through(&self, text: &str) -> Result<Value, QmpError> {
        let unexpected = |detail: String| QmpError::Unexpected {
            command: text.chars().take(80).collect(),
            detail,
        };
        let command: Value = serde_json::from_str(text).map_err(|e| unexpected(e.to_string()))?;
        let Value::Object(mut command) = command else {
            return Err(unexpected("the command is no JSON object".into()));
        };
        let theirs = command.remove("id");
        let name = command
            .get("execute")
            .or_else(|| command.get("exec-oob"))
            .and_then(Value::as_str)
            .unwrap_or("(no command)")
            .to_owned();
        let outcome = self
            .enqueue(name, None, |id| {
                command.insert("id".into(), id.into());
                let mut line = Value::Object(command).to_string().into_bytes();
                line.push(b'\n');
                line
            })
            .await;
        let mut reply = match outcome {
            Ok(value) => serde_json::json!({ "return": value }),
            Err(QmpError::Refused { error, .. }) => serde_json::json!({
                "error": { "class": error.class, "desc": error.description }
            }),
            Err(other) => return Err(other),
        };
        if let (Some(id), Value::Object(reply)) = (theirs, &mut reply) {
            reply.insert("id".into(), id);
        }
        Ok(reply)
    }

    fn enqueue(
        &self,
        command: String,
        fd: Option<OwnedFd>,
        line: impl FnOnce(u64) -> Vec<u8>,
    ) -> Pending {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        let mut refused = None;
        if self.shared.waiting().len() >= MAX_WAITING {
            refused = Some(QmpError::Busy);
        } else {
            self.shared.waiting().insert(id, sender);
            let outgoing = Outgoing {
                id,
                line: line(id),
                fd,
            };
            if let Err(error) = self.commands.try_send(outgoing) {
                self.shared.waiting().remove(&id);
                refused = Some(match error {
                    mpsc::error::TrySendError::Full(_) => QmpError::Busy,
                    mpsc::error::TrySendError::Closed(_) => QmpError::Closed,
                });
            }
        }
        Pending {
            id,
            command,
            refused,
            reply,
            after: self.deadline,
            sleep: Box::pin(tokio::time::sleep_until(Instant::now() + self.deadline)),
            shared: Arc::clone(&self.shared),
        }
    }
}

/// A command under way. Dropping it (or running out of time) drops the reply; if the command
/// was not written to the socket by then, it never will be.
#[derive(Debug)]
pub struct Pending {
    id: u64,
    command: String,
    refused: Option<QmpError>,
    reply: oneshot::Receiver<Outcome>,
    after: Duration,
    sleep: Pin<Box<Sleep>>,
    shared: Arc<Shared>,
}

impl Pending {
    /// Awaits the result as a `T`.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub async fn read<T: DeserializeOwned>(mut self) -> Result<T, QmpError> {
        let value = (&mut self).await?;
        serde_json::from_value(value).map_err(|e| QmpError::Unexpected {
            command: std::mem::take(&mut self.command),
            detail: e.to_string(),
        })
    }
}

impl Future for Pending {
    type Output = Result<Value, QmpError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(error) = self.refused.take() {
            return Poll::Ready(Err(error));
        }
        if let Poll::Ready(reply) = Pin::new(&mut self.reply).poll(context) {
            return Poll::Ready(match reply {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(QmpError::Refused {
                    command: self.command.clone(),
                    error,
                }),
                Err(_) => Err(QmpError::Closed),
            });
        }
        if self.sleep.as_mut().poll(context).is_ready() {
            self.shared.silent.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(QmpError::Timeout {
                command: self.command.clone(),
                after: self.after,
            }));
        }
        Poll::Pending
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.shared.waiting().remove(&self.id);
    }
}

/// QEMU's first words, once they come.
#[derive(Debug)]
pub struct Ready {
    greeting: oneshot::Receiver<Greeting>,
    capabilities: Pending,
}

impl Ready {
    /// Waits until QEMU greeted and left the negotiation.
    ///
    /// # Errors
    /// [`QmpError::Closed`] when it hung up, [`QmpError::Timeout`] when it said nothing.
    pub async fn wait(self) -> Result<Greeting, QmpError> {
        self.capabilities.await?;
        self.greeting.await.map_err(|_| QmpError::Closed)
    }
}

/// The connection's task.
struct Connection {
    stream: UnixStream,
    queue: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
    events: mpsc::Sender<Event>,
    greeting: Option<oneshot::Sender<Greeting>>,
    lines: LineBuffer,
}

impl Connection {
    async fn run(mut self) {
        if let Err(error) = self.converse().await {
            tracing::warn!(%error, "monitor connection ended");
        }
        // No command may wait for an answer that can't come: first none can be added, then all
        // that wait are told.
        self.queue.close();
        self.shared.waiting().clear();
    }

    async fn converse(&mut self) -> io::Result<()> {
        let mut writing: Option<Outgoing> = None;
        let mut written = 0;
        loop {
            let interest = match writing {
                Some(_) => Interest::READABLE | Interest::WRITABLE,
                None => Interest::READABLE,
            };
            tokio::select! {
                ready = self.stream.ready(interest) => {
                    let ready = ready?;
                    if ready.is_readable() && !self.read()? {
                        return Ok(());
                    }
                    if ready.is_writable() && let Some(outgoing) = &mut writing
                        && self.write(outgoing, &mut written)? {
                        writing = None;
                    }
                }
                next = self.queue.recv(), if writing.is_none() => {
                    let Some(next) = next else { return Ok(()) };
                    // Its caller may have given up while it queued.
                    if self.shared.waiting().contains_key(&next.id) {
                        written = 0;
                        writing = Some(next);
                    }
                }
            }
        }
    }

    /// Reads what there is. False at the end of the stream.
    fn read(&mut self) -> io::Result<bool> {
        let mut bytes = [0u8; 16 * 1024];
        loop {
            match self.stream.try_read(&mut bytes) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.lines.push(&bytes[..count]);
                    self.dispatch()?;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // What a QEMU that was killed leaves behind.
                Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
                Err(e) => return Err(e),
            }
        }
    }

    fn dispatch(&mut self) -> io::Result<()> {
        while let Some(line) = self.lines.next_line().map_err(io::Error::other)? {
            if line.is_empty() {
                continue;
            }
            let message = Message::parse(line).map_err(io::Error::other)?;
            self.shared.silent.store(false, Ordering::Relaxed);
            match message {
                Message::Greeting(greeting) => {
                    if let Some(sender) = self.greeting.take() {
                        // Nobody may want to know.
                        let _ = sender.send(greeting);
                    }
                }
                Message::Event(event) => match self.events.try_send(event) {
                    Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        return Err(io::Error::other("QEMU floods the monitor with events"));
                    }
                },
                Message::Reply { id, outcome } => {
                    match id.and_then(|id| self.shared.waiting().remove(&id)) {
                        Some(caller) => drop(caller.send(outcome)),
                        None => tracing::debug!(?id, "dropped a late or unasked monitor reply"),
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes what goes in now. True once the whole command is out.
    fn write(&self, outgoing: &mut Outgoing, written: &mut usize) -> io::Result<bool> {
        while *written < outgoing.line.len() {
            let rest = &outgoing.line[*written..];
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                send(self.stream.as_fd(), rest, outgoing.fd.as_ref())
            });
            match sent {
                Ok(count) => {
                    *written += count;
                    outgoing.fd = None;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

fn send(
    socket: std::os::fd::BorrowedFd<'_>,
    bytes: &[u8],
    fd: Option<&OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd.as_fd()]);
    if let Some(fds) = &fds {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    let sent = rustix::net::sendmsg(
        socket,
        &[io::IoSlice::new(bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream as Socket;

    /// QEMU's end of a conversation, spoken by the test.
    struct Peer {
        reader: BufReader<Socket>,
        writer: Socket,
    }

    impl Peer {
        async fn hear(&mut self) -> Value {
            // The client's task lives on the same thread.
            loop {
                self.reader.get_ref().set_nonblocking(true).unwrap();
                let mut line = String::new();
                match self.reader.read_line(&mut line) {
                    Ok(0) => return Value::Null,
                    Ok(_) => return serde_json::from_str(&line).unwrap(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        }

        fn say(&mut self, value: &Value) {
            self.writer
                .write_all(format!("{value}\r\n").as_bytes())
                .unwrap();
        }
    }

    fn pair() -> (Connected, Peer) {
        let (ours, theirs) = Socket::pair().unwrap();
        let peer = Peer {
            reader: BufReader::new(theirs.try_clone().unwrap()),
            writer: theirs,
        };
        (Monitor::start(ours).unwrap(), peer)
    }

    #[tokio::test]
    async fn commands_are_pipelined_and_matched_by_number() {
        let (connected, mut peer) = pair();
        let first = connected.monitor.send("query-status", None);
        let second = connected.monitor.send("query-name", None);
        let ids: Vec<Value> = [peer.hear().await, peer.hear().await, peer.hear().await]
            .iter()
            .map(|c| c["id"].clone())
            .collect();
        peer.say(&json!({"QMP": {"version": {"qemu": {"major": 10, "minor": 0, "micro": 2}, "package": ""}}}));
        peer.say(&json!({"return": {}, "id": ids[0]}));
        peer.say(&json!({"return": "two", "id": ids[2]}));
        peer.say(&json!({"return": "one", "id": ids[1]}));
        assert_eq!(connected.ready.wait().await.unwrap().version, (10, 0, 2));
        assert_eq!(first.await, Ok(json!("one")));
        assert_eq!(second.await, Ok(json!("two")));
    }

    #[tokio::test]
    async fn a_late_reply_is_dropped_and_the_next_is_right() {
        let (connected, mut peer) = pair();
        let impatient = connected.monitor.within(Duration::from_millis(10));
        let error = impatient.run("query-status", None).await.unwrap_err();
        assert!(matches!(error, QmpError::Timeout { .. }), "{error}");
        assert!(connected.monitor.is_silent());
        let _capabilities = peer.hear().await;
        let late = peer.hear().await["id"].clone();
        let next = connected.monitor.send("query-name", None);
        let id = peer.hear().await["id"].clone();
        peer.say(&json!({"return": "late", "id": late}));
        peer.say(&json!({"return": "right", "id": id}));
        assert_eq!(next.await, Ok(json!("right")));
        assert!(!connected.monitor.is_silent());
    }

    #[tokio::test]
    async fn hanging_up_ends_events_and_commands() {
        let (mut connected, peer) = pair();
        let pending = connected.monitor.send("query-status", None);
        drop(peer);
        assert_eq!(pending.await, Err(QmpError::Closed));
        assert_eq!(connected.events.recv().await, None);
        assert_eq!(
            connected.monitor.run("stop", None).await,
            Err(QmpError::Closed)
        );
    }

    #[tokio::test]
    async fn nonsense_ends_the_connection() {
        let (mut connected, mut peer) = pair();
        peer.say(&json!([1, 2]));
        assert_eq!(connected.events.recv().await, None);
        assert!(connected.monitor.is_closed());
    }

    #[tokio::test]
    async fn a_clients_own_command_keeps_its_number() {
        let (connected, mut peer) = pair();
        let monitor = connected.monitor.clone();
        let asked = tokio::spawn(async move {
            monitor
                .pass_through(r#"{"execute":"nonsense","id":"mine"}"#)
                .await
        });
        let _capabilities = peer.hear().await;
        let heard = peer.hear().await;
        peer.say(&json!({"error": {"class": "CommandNotFound", "desc": "no"}, "id": heard["id"]}));
        assert_eq!(
            asked.await.unwrap(),
            Ok(json!({"error": {"class": "CommandNotFound", "desc": "no"}, "id": "mine"}))
        );
    }
}
