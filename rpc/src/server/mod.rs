//! The server's side of a connection.
//!
//! A driver fills a [`Router`] with handlers and gives it to a [`Server`], which accepts on its
//! [`Listener`]s and runs one task for each connection: it reads, decodes, runs inline handlers,
//! and writes all their replies at once. What may wait runs in a task of its own.
//!
//! ```no_run
//! use virt_rpc::protocol::Program;
//! use virt_rpc::protocol::remote::{
//!     ConnectGetHostname, ConnectGetHostnameRet, DomainGetState, DomainGetStateRet,
//! };
//! use virt_rpc::server::{BindOptions, Listener, Role, Router, Server, Settings};
//!
//! # fn main() -> std::io::Result<()> {
//! let mut router = Router::new(&[Program::Remote], |client, _opening| Ok(client.id()));
//! router.call::<DomainGetState>(|_call| Ok(DomainGetStateRet { state: 1, reason: 1 }));
//! router.task::<ConnectGetHostname, _, _>(|call| async move {
//!     let hostname = format!("host-of-client-{}", call.session());
//!     Ok(ConnectGetHostnameRet { hostname })
//! });
//! let options = BindOptions { mode: 0o700, group: None, backlog: 1000 };
//! let listener = Listener::bind("/run/example-sock".as_ref(), Role::Main, options)?;
//! // In a tokio runtime:
//! Server::new(router, Settings::default()).listen(listener)?;
//! # Ok(())
//! # }
//! ```

mod again;
mod asked;
mod builtin;
mod call;
mod client;
mod connection;
mod dispatch;
mod door;
mod forward;
mod handover;
mod identity;
mod listener;
mod meter;
mod panics;
mod refusal;
mod router;
mod serve;
mod settings;
mod stream;

/// The target of the span that each call is. Its fields: `connection`, the client's number; `program` and
/// `procedure`, the row's; `guest.name` and `guest.uuid`, a `u128`, once the guest is known.
pub const CALL: &str = "virt_rpc::call";

pub use again::ROUNDS_MAX;
pub use asked::call_span;
pub use call::Call;
pub use client::Client;
pub use door::{Asking, Doorkeeper};
pub use forward::{Forwarder, RawCall, RawReply};
pub use handover::Suspended;
pub use identity::{Identity, start_time};
pub use listener::{BindOptions, Listener, Role, SocketFile};
pub use meter::{BOUNDS, Measured, Meter};
pub use router::{Opening, Router};
pub use serve::Server;
pub use settings::{Authentication, KeepaliveSettings, Limits, Settings};
pub use stream::{Incoming, ServerStream, StreamClosed};
