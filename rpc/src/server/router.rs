//! Which handler serves which row.

use std::fmt;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tracing::{Instrument, Span};
use virt_error::Result;

use super::again::Rounds;
use super::asked::Asked;
use super::call::{Call, Context};
use super::client::Client;
use super::door::Doorkeeper;
use super::forward::{Forwarder, RawCall};
use super::panics::{self, Guarded, guarded};
use super::refusal::{denied_when_readonly, not_supported};
use super::stream::ServerStream;
use crate::protocol::remote::StorageVolUploadArgs;
use crate::protocol::{Connection, Procedure, Program, ReadOnlyRule, Row};
use crate::xdr;

/// What a client wants when it opens its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening<'a> {
    /// The URI it names, such as `qemu:///system`; without one, or with an empty one, the daemon
    /// chooses.
    pub uri: Option<&'a str>,
    /// Whether it may only look, because of the socket or because it says so.
    pub readonly: bool,
}

type Open<S> = Box<dyn Fn(&Client, &Opening<'_>) -> Result<S> + Send + Sync>;
type Leave<S> = Box<dyn Fn(&Arc<S>) + Send + Sync>;
type Handler<S> = Box<dyn Fn(Arrival<'_, S>) + Send + Sync>;

/// The handlers of a server; `S` is what the driver keeps for each connection.
///
/// A row without a handler answers "this function is not supported by the connection driver".
/// Opening, authentication, the server's own features and pings are the server's work and have
/// no handlers.
pub struct Router<S> {
    open: Open<S>,
    leave: Option<Leave<S>>,
    programs: Vec<Routes<S>>,
    forwarder: Option<Arc<dyn Forwarder<S>>>,
    doorkeeper: Option<Box<dyn Doorkeeper>>,
    calls_come_again: bool,
}

struct Routes<S> {
    program: Program,
    handlers: Vec<Option<Handler<S>>>,
}

/// A call that arrived, before its arguments are decoded.
pub(super) struct Arrival<'a, S> {
    pub session: &'a Arc<S>,
    pub client: &'a Client,
    pub asked: Asked,
    pub payload: &'a [u8],
    pub descriptors: Vec<OwnedFd>,
    pub stream: Option<ServerStream>,
    /// Whether its handler may want it served anew.
    pub may_come_again: bool,
}

impl<S: Send + Sync + 'static> Router<S> {
    /// A router that serves `programs`. `open` makes the session: when the client opens its
    /// connection, or at the first call in programs that have no such procedure.
    pub fn new(
        programs: &[Program],
        open: impl Fn(&Client, &Opening<'_>) -> Result<S> + Send + Sync + 'static,
    ) -> Self {
        let routes = |program: &Program| Routes {
            program: *program,
            handlers: program.table().iter().map(|_| None).collect(),
        };
        Self {
            open: Box::new(open),
            leave: None,
            programs: programs.iter().map(routes).collect(),
            forwarder: None,
            doorkeeper: None,
            calls_come_again: false,
        }
    }

    /// Serves `P` with a handler that answers at once: it must not block, since it holds up all
    /// connections. This is the quickest way to answer.
    ///
    /// # Panics
    /// The row has a handler already, or its program is not served: an error of the program.
    pub fn call<P: Procedure>(
        &mut self,
        handler: impl Fn(&Call<P, S>) -> Result<P::Ret> + Send + Sync + 'static,
    ) {
        let handler = Arc::new(handler);
        self.set(
            P::ROW,
            Box::new(move |arrival| {
                let (client, asked) = (arrival.client, arrival.asked);
                let call = match Call::<P, S>::read(arrival) {
                    Ok(call) => call,
                    Err(error) => return client.reply_error(asked, &error),
                };
                let result = guarded(P::ROW, || handler(&call));
                let Some(first) = call.context().take_first() else {
                    return call.into_context().into_reply().send(result);
                };
                client.begin();
                let handler = Arc::clone(&handler);
                let later = async move {
                    let mut rounds = Rounds::new(first);
                    let result = loop {
                        rounds.prepare().await;
                        let result = guarded(P::ROW, || handler(&call));
                        if !rounds.another(call.context().take_first()) {
                            break result;
                        }
                    };
                    call.into_context().into_reply().send_later(result);
                };
                tokio::spawn(later.instrument(Span::current()));
            }),
        );
    }

    /// Serves `P` with a handler that may wait; it runs in a task of its own, and to its end even
    /// when the client leaves.
    ///
    /// # Panics
    /// As [`Self::call`].
    pub fn task<P, F, Fut>(&mut self, handler: F)
    where
        P: Procedure,
        F: Fn(Call<P, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<P::Ret>> + Send + 'static,
    {
        self.call_or_task(|_| None, handler);
    }

    /// Serves `P` as [`Self::call`] does where `at_once` has an answer, and otherwise as
    /// [`Self::task`]: `at_once` has done nothing then, and does not want to be served anew
    /// ([`Call::again_after`]). A task costs more than most calls whose answer is at hand.
    ///
    /// # Panics
    /// As [`Self::call`].
    pub fn call_or_task<P, F, Fut>(
        &mut self,
        at_once: impl Fn(&Call<P, S>) -> Option<Result<P::Ret>> + Send + Sync + 'static,
        handler: F,
    ) where
        P: Procedure,
        F: Fn(Call<P, S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<P::Ret>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.set(
            P::ROW,
            Box::new(move |arrival| {
                let (client, asked) = (arrival.client, arrival.asked);
                let may_come_again = arrival.may_come_again;
                let call = match Call::<P, S>::read(arrival) {
                    Ok(call) => call,
                    Err(error) => return client.reply_error(asked, &error),
                };
                match guarded(P::ROW, || at_once(&call).transpose()) {
                    Ok(None) => start_task(&handler, call, may_come_again),
                    Ok(Some(answer)) => call.into_context().into_reply().send(Ok(answer)),
                    Err(error) => call.into_context().into_reply().send::<P::Ret>(Err(error)),
                }
            }),
        );
    }

    /// Has `leave` called when a connection is over, however that came about; not when it is handed
    /// over.
    pub fn on_leave(&mut self, leave: impl Fn(&Arc<S>) + Send + Sync + 'static) {
        self.leave = Some(Box::new(leave));
    }

    pub(super) fn left(&self, session: &Arc<S>) {
        if let Some(leave) = &self.leave {
            leave(session);
        }
    }

    /// Serves the rows of other daemons (networks, storage and so on) by passing them on.
    pub fn forward(&mut self, forwarder: impl Forwarder<S>) {
        self.forwarder = Some(Arc::new(forwarder));
    }

    /// Has `doorkeeper` asked who gets in. Without one, clients that must authenticate don't, and the
    /// others open what they like.
    pub fn ask_at_the_door(&mut self, doorkeeper: impl Doorkeeper) {
        self.doorkeeper = Some(Box::new(doorkeeper));
    }

    pub(super) fn doorkeeper(&self) -> Option<&dyn Doorkeeper> {
        self.doorkeeper.as_deref()
    }

    /// Lets handlers of [`Self::task`] have their calls served anew ([`Call::again_after`]); without this
    /// what they want first is not done, and their answer stands.
    pub fn let_calls_come_again(&mut self) {
        self.calls_come_again = true;
    }

    pub(super) fn calls_come_again(&self) -> bool {
        self.calls_come_again
    }

    /// The programs that are served.
    pub(super) fn programs(&self) -> impl Iterator<Item = Program> + '_ {
        self.programs.iter().map(|routes| routes.program)
    }

    /// Whether the program is one of this server's.
    pub fn serves(&self, program: Program) -> bool {
        self.routes(program).is_some()
    }

    pub(super) fn open(&self, client: &Client, opening: &Opening<'_>) -> Result<S> {
        (self.open)(client, opening)
    }

    /// Runs the row's handler, which answers by itself.
    pub(super) fn run(&self, row: &'static Row, arrival: Arrival<'_, S>) {
        let handler = self
            .routes(row.program)
            .and_then(|routes| routes.handlers.get(place(row))?.as_ref());
        if let Some(handler) = handler {
            return handler(arrival);
        }
        let (client, asked) = (arrival.client, arrival.asked);
        if client.is_readonly() && row.readonly == ReadOnlyRule::Deny {
            return client.reply_error(asked, &denied_when_readonly(row));
        }
        let elsewhere = !matches!(row.conn, Connection::Own | Connection::Hypervisor);
        match &self.forwarder {
            Some(forwarder) if elsewhere => pass_on(Arc::clone(forwarder), row, arrival),
            _ => client.reply_error(asked, &not_supported(row)),
        }
    }

    fn routes(&self, program: Program) -> Option<&Routes<S>> {
        self.programs
            .iter()
            .find(|routes| routes.program == program)
    }

    fn set(&mut self, row: &'static Row, handler: Handler<S>) {
        let routes = self
            .programs
            .iter_mut()
            .find(|routes| routes.program == row.program);
        let slot = routes.and_then(|routes| routes.handlers.get_mut(place(row)));
        match slot {
            Some(slot @ None) => *slot = Some(handler),
            Some(Some(_)) => panic!("{} has two handlers", row.name),
            None => panic!("{} is of a program that is not served", row.name),
        }
    }
}

/// Runs the handler of a call in a task.
fn start_task<P, S, F, Fut>(handler: &Arc<F>, call: Call<P, S>, may_come_again: bool)
where
    P: Procedure,
    S: Send + Sync + 'static,
    F: Fn(Call<P, S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<P::Ret>> + Send + 'static,
{
    let reply = call.context().reply();
    let handler = Arc::clone(handler);
    let client = call.client().clone();
    // Kept only where it may be wanted: arguments can be long.
    let again = may_come_again.then(|| call.clone());
    // The first part of the handler, up to where it waits, runs at once.
    let future = match guarded(P::ROW, || Ok(handler(call))) {
        Ok(future) => future,
        Err(error) => return reply.send::<P::Ret>(Err(error)),
    };
    client.begin();
    let later = async move {
        let mut result = finish::<P, _>(future).await;
        if let (Some(first), Some(call)) = (reply.take_first(), again) {
            let mut rounds = Rounds::new(first);
            loop {
                rounds.prepare().await;
                result = match guarded(P::ROW, || Ok(handler(call.clone()))) {
                    Ok(future) => finish::<P, _>(future).await,
                    Err(error) => Err(error),
                };
                if !rounds.another(reply.take_first()) {
                    break;
                }
            }
        }
        reply.send_later(result);
    };
    tokio::spawn(later.instrument(Span::current()));
}

async fn finish<P: Procedure, T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    Guarded::new(future)
        .await
        .unwrap_or_else(|panic| Err(panics::error(P::ROW.name, &*panic)))
}

/// Numbers of rows start at 1.
fn place(row: &Row) -> usize {
    usize::try_from(row.number - 1).unwrap_or(usize::MAX)
}

fn pass_on<S: Send + Sync + 'static>(
    forwarder: Arc<dyn Forwarder<S>>,
    row: &'static Row,
    arrival: Arrival<'_, S>,
) {
    let payload = bytes::Bytes::copy_from_slice(arrival.payload);
    if let Some(stream) = &arrival.stream
        && asks_for_holes(row, arrival.payload)
    {
        stream.allow_holes();
    }
    let client = arrival.client;
    let context = Context::new(arrival);
    let reply = context.reply();
    client.begin();
    let later = async move {
        let call = RawCall::new(row, payload, context);
        let result = Guarded::new(async move { forwarder.forward(call).await })
            .await
            .unwrap_or_else(|panic| Err(panics::error(row.name, &*panic)));
        reply.send_raw_later(result);
    };
    tokio::spawn(later.instrument(Span::current()));
}

/// Whether a call that is passed on negotiates a sparse stream. Only two do, with the same
/// arguments.
fn asks_for_holes(row: &Row, payload: &[u8]) -> bool {
    let Some(bit) = row.sparse_flag else {
        return false;
    };
    xdr::from_bytes::<StorageVolUploadArgs>(payload).is_ok_and(|args| args.flags & bit != 0)
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let programs = self.programs.iter().map(|routes| routes.program);
        f.debug_list().entries(programs).finish()
    }
}
