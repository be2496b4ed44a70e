//! Who gets in: whether a client that must authenticate may connect, and whether it may open the
//! driver. Both may have to be asked elsewhere; what the client sends meanwhile waits.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::Instant;
use virt_error::Result;

use super::asked::Asked;
use super::client::Client;
use super::connection::Connection;
use super::router::Opening;
use super::serve::AUTHENTICATE_IN;
use crate::protocol::remote::AuthPolkitRet;

/// An answer that may take time; the error is the client's.
pub type Asking = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Decides who gets in.
pub trait Doorkeeper: Send + Sync + 'static {
    /// Whether a client that is neither root nor the daemon's own user may connect (AUTH_POLKIT). The
    /// person behind it may be asked, so this may take minutes; how many is the doorkeeper's to bound.
    fn authenticate(&self, client: &Client) -> Asking;

    /// Whether a client may open the driver; `None` where that needs no asking.
    fn admit(&self, client: &Client, opening: &Opening<'_>) -> Option<Asking>;
}

/// A client that waits for the doorkeeper's answer.
pub(super) struct Waiting {
    asking: Asking,
    asked: Asked,
    wants: Wants,
}

/// What it waits for.
#[derive(Debug)]
pub(super) enum Wants {
    /// To be let in.
    In,
    /// To open the driver.
    Open {
        /// What with.
        uri: Option<String>,
        /// How.
        flags: u32,
    },
}

impl Waiting {
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.asking.as_mut().poll(context)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wants.fmt(f)
    }
}

impl<S: Send + Sync + 'static> Connection<S> {
    /// Answers a call when the doorkeeper has; nothing else of the client is served before.
    pub(super) fn wait(&mut self, asked: Asked, asking: Asking, wants: Wants) {
        self.client.begin();
        self.anonymous_until = None;
        self.waiting = Some(Waiting {
            asking,
            asked,
            wants,
        });
    }

    /// The doorkeeper has answered.
    pub(super) fn decided(&mut self, result: Result<()>) {
        let Some(Waiting { asked, wants, .. }) = self.waiting.take() else {
            return;
        };
        let done = result.and_then(|()| match wants {
            Wants::In => {
                self.client.make_authenticated();
                self.slot = None;
                self.answer(asked, &AuthPolkitRet { complete: 1 });
                Ok(())
            }
            Wants::Open { uri, flags } => {
                self.open(uri.as_deref(), flags)?;
                self.answer(asked, &());
                Ok(())
            }
        });
        if let Err(error) = done {
            self.client.reply_error(asked, &error);
        }
        if !self.client.is_authenticated() {
            self.anonymous_until = Some(Instant::now() + AUTHENTICATE_IN);
        }
        self.set_timer();
        self.client.done();
    }
}
