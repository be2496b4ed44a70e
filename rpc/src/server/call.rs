//! A call as its handler sees it.

use std::future::Future;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::again::First;
use super::asked::Asked;
use super::client::Client;
use super::forward::RawReply;
use super::router::Arrival;
use super::stream::{Body, ServerStream};
use crate::protocol::{Procedure, Row};
use crate::xdr;

/// One call: its arguments, and who makes it.
#[derive(Debug)]
pub struct Call<P: Procedure, S> {
    /// The arguments.
    pub args: P::Args,
    context: Context<S>,
}

/// What a call and a forwarded call have in common.
#[derive(Debug)]
pub(super) struct Context<S> {
    session: Arc<S>,
    client: Client,
    asked: Asked,
    attachments: OnceLock<Arc<Attachments>>,
}

/// What few calls have: descriptors and streams.
#[derive(Debug, Default)]
pub(super) struct Attachments(Mutex<Attached>);

#[derive(Debug, Default)]
struct Attached {
    received: Vec<OwnedFd>,
    reply: Vec<OwnedFd>,
    stream: Option<ServerStream>,
    body: Option<Body>,
    first: Option<First>,
}

impl<P: Procedure, S> Call<P, S> {
    /// Decodes the arguments and applies the row's read-only rule.
    pub(super) fn read(arrival: Arrival<'_, S>) -> Result<Self> {
        let args: P::Args =
            xdr::from_bytes(arrival.payload).map_err(|error| undecodable(P::ROW, error))?;
        if arrival.client.is_readonly() && P::denied_when_readonly(&args) {
            return Err(super::refusal::denied_when_readonly(P::ROW));
        }
        if let (Some(stream), Some(bit)) = (&arrival.stream, P::ROW.sparse_flag)
            && P::flags(&args).unwrap_or(0) & u64::from(bit) != 0
        {
            stream.allow_holes();
        }
        Ok(Self {
            args,
            context: Context::new(arrival),
        })
    }

    /// What the driver keeps for this connection.
    pub fn session(&self) -> &S {
        &self.context.session
    }

    /// The same, to keep.
    pub fn session_arc(&self) -> &Arc<S> {
        &self.context.session
    }

    /// The caller.
    pub fn client(&self) -> &Client {
        &self.context.client
    }

    /// The procedure's row.
    pub fn row(&self) -> &'static Row {
        P::ROW
    }

    /// The call's `flags`, 0 when it has none.
    pub fn flags(&self) -> u64 {
        P::flags(&self.args).unwrap_or(0)
    }

    /// Refuses flags of the call beside the `known` ones.
    ///
    /// # Errors
    /// INVALID_ARG with the unknown ones.
    pub fn only_flags(&self, known: u32) -> Result<()> {
        match self.flags() & !u64::from(known) {
            0 => Ok(()),
            unknown => Err(Error::new(
                ErrorCode::InvalidArg,
                ErrorDomain::Rpc,
                format!("unsupported flags (0x{unknown:x}) in {}", P::ROW.name),
            )),
        }
    }

    /// Has the call served anew once `first` is done, such as when a decision must be asked for: what
    /// the handler then returns is not the answer. It must not have done anything yet. A handler that
    /// wants this again and again is run eight times in all; what it returned last is the answer then.
    pub fn again_after(&self, first: impl Future<Output = ()> + Send + 'static) {
        self.context.attached().first = Some(First::new(first));
    }

    /// The descriptors that came with the call; those not taken are closed with it.
    pub fn take_fds(&self) -> Vec<OwnedFd> {
        self.context.take_fds()
    }

    /// Descriptors to send with the reply.
    pub fn reply_fds(&self, descriptors: Vec<OwnedFd>) {
        self.context.attached().reply = descriptors;
    }

    /// What to do with the call's stream once it was answered well: `body` runs in a task of its
    /// own. When it ends well the stream is finished ([`ServerStream::finish`]), otherwise aborted
    /// with the error. Nothing runs when the call fails. For rows with a stream only.
    pub fn serve_stream<F, Fut>(&self, body: F)
    where
        F: FnOnce(Arc<ServerStream>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.context.attached().body = Some(Body::new(body));
    }

    pub(super) fn context(&self) -> &Context<S> {
        &self.context
    }

    pub(super) fn into_context(self) -> Context<S> {
        self.context
    }
}

impl<S> Context<S> {
    pub(super) fn new(arrival: Arrival<'_, S>) -> Self {
        let attachments = OnceLock::new();
        if arrival.stream.is_some() || !arrival.descriptors.is_empty() {
            attachments.get_or_init(|| {
                Arc::new(Attachments(Mutex::new(Attached {
                    received: arrival.descriptors,
                    stream: arrival.stream,
                    ..Attached::default()
                })))
            });
        }
        Self {
            session: Arc::clone(arrival.session),
            client: arrival.client.clone(),
            asked: arrival.asked,
            attachments,
        }
    }

    pub(super) fn session(&self) -> &Arc<S> {
        &self.session
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn take_fds(&self) -> Vec<OwnedFd> {
        match self.attachments.get() {
            Some(attachments) => std::mem::take(&mut attachments.lock().received),
            None => Vec::new(),
        }
    }

    pub(super) fn set_body(&self, body: Body) {
        self.attached().body = Some(body);
    }

    /// What the handler wants done before it runs again.
    pub(super) fn take_first(&self) -> Option<First> {
        self.attachments.get()?.lock().first.take()
    }

    fn attached(&self) -> MutexGuard<'_, Attached> {
        self.attachments.get_or_init(Arc::default).lock()
    }

    /// What is needed to answer while the handler owns the call.
    pub(super) fn reply(&self) -> Reply {
        Reply {
            client: self.client.clone(),
            asked: self.asked,
            attachments: Some(Arc::clone(self.attachments.get_or_init(Arc::default))),
        }
    }

    /// As [`Self::reply`], when the handler has finished with the call.
    pub(super) fn into_reply(self) -> Reply {
        Reply {
            client: self.client,
            asked: self.asked,
            attachments: self.attachments.into_inner(),
        }
    }
}

impl<P: Procedure, S> Clone for Call<P, S> {
    fn clone(&self) -> Self {
        Self {
            args: self.args.clone(),
            context: self.context.clone(),
        }
    }
}

/// Clones share what came with the call.
impl<S> Clone for Context<S> {
    fn clone(&self) -> Self {
        self.attachments.get_or_init(Arc::default);
        Self {
            session: Arc::clone(&self.session),
            client: self.client.clone(),
            asked: self.asked,
            attachments: self.attachments.clone(),
        }
    }
}

impl Attachments {
    fn lock(&self) -> MutexGuard<'_, Attached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to answer a call.
#[derive(Debug)]
pub(super) struct Reply {
    client: Client,
    asked: Asked,
    attachments: Option<Arc<Attachments>>,
}

impl Reply {
    /// As [`Context::take_first`], once the handler has the call.
    pub(super) fn take_first(&self) -> Option<First> {
        self.attachments.as_ref()?.lock().first.take()
    }

    /// Queues the answer and starts the stream, or does away with it.
    pub(super) fn send<T: xdr::Encode>(self, result: Result<T>) {
        let attached = match &self.attachments {
            Some(attachments) => std::mem::take(&mut *attachments.lock()),
            None => Attached::default(),
        };
        match result {
            Ok(value) => {
                self.client.reply(self.asked, &value, attached.reply);
                if let Some(stream) = attached.stream {
                    stream.open(attached.body);
                }
            }
            Err(error) => {
                if let Some(stream) = attached.stream {
                    stream.never_opened();
                }
                self.client.reply_error(self.asked, &error);
            }
        }
    }

    /// As [`Self::send`], from a task of its own.
    pub(super) fn send_later<T: xdr::Encode>(self, result: Result<T>) {
        let client = self.client.clone();
        self.send(result);
        client.done();
    }

    /// As [`Self::send_later`], with a result that is encoded already.
    pub(super) fn send_raw_later(mut self, result: Result<RawReply>) {
        let result = result.map(|reply| {
            if let Some(attachments) = &mut self.attachments {
                attachments.lock().reply = reply.descriptors;
            }
            Encoded(reply.payload)
        });
        self.send_later(result);
    }
}

/// The error of arguments that are not what the row says.
pub(super) fn undecodable(row: &Row, error: xdr::XdrError) -> Error {
    Error::new(
        ErrorCode::Rpc,
        ErrorDomain::Rpc,
        format!("cannot decode the arguments of {}: {error}", row.name),
    )
}

/// A value that is encoded already.
struct Encoded(Bytes);

impl xdr::Encode for Encoded {
    fn encode(&self, out: &mut xdr::Encoder<'_>) -> Result<(), xdr::XdrError> {
        out.raw(&self.0)
    }
}
