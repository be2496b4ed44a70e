//! Calls that another daemon serves, passed on as they are (WIRE.md section 14).

use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use virt_error::Result;

use super::call::Context;
use super::client::Client;
use super::stream::{Body, ServerStream};
use crate::protocol::Row;

/// Passes calls on.
pub trait Forwarder<S>: Send + Sync + 'static {
    /// Makes the call elsewhere and gives back its reply or its error.
    fn forward(
        &self,
        call: RawCall<S>,
    ) -> Pin<Box<dyn Future<Output = Result<RawReply>> + Send + '_>>;
}

/// A call whose arguments were not looked at.
#[derive(Debug)]
pub struct RawCall<S> {
    /// Its row.
    pub row: &'static Row,
    /// Its arguments as they came.
    pub payload: Bytes,
    context: Context<S>,
}

/// A reply whose content is not looked at.
#[derive(Debug, Default)]
pub struct RawReply {
    /// The encoded result.
    pub payload: Bytes,
    /// Descriptors to send with it.
    pub descriptors: Vec<OwnedFd>,
}

impl<S> RawCall<S> {
    pub(super) fn new(row: &'static Row, payload: Bytes, context: Context<S>) -> Self {
        Self {
            row,
            payload,
            context,
        }
    }

    /// What the driver keeps for this connection.
    pub fn session(&self) -> &Arc<S> {
        self.context.session()
    }

    /// The caller.
    pub fn client(&self) -> &Client {
        self.context.client()
    }

    /// The descriptors that came with the call.
    pub fn take_fds(&self) -> Vec<OwnedFd> {
        self.context.take_fds()
    }

    /// As [`super::Call::serve_stream`].
    pub fn serve_stream<F, Fut>(&self, body: F)
    where
        F: FnOnce(Arc<ServerStream>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.context.set_body(Body::new(body));
    }
}
