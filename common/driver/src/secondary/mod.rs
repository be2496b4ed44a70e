//! Calls that other daemons serve: networks, storage, node devices, secrets, filters and
//! interfaces (WIRE.md section 14).
//!
//! One connection a kind for each client connection, made at the first call of that kind, opened
//! read-only for a read-only client, and told whom it is made for. A daemon that is not there is
//! an error of that call alone; the next call tries again.

mod relay;
mod token;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::client::{Connection, Lazy, Route, Target};
use virt_rpc::protocol::Connection as Kind;
use virt_rpc::protocol::remote::TypedParam;
use virt_rpc::server::{Client, Forwarder, RawCall, RawReply};

use crate::identity;
use relay::Callbacks;

pub use token::system_token;

/// Where the other daemons of the host, or of the user, are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbours {
    /// The folder of sockets.
    pub run: PathBuf,
    /// The host's daemons, not one user's.
    pub system: bool,
}

impl Neighbours {
    /// The socket and URI of a kind's daemon: its own socket, or a monolithic libvirtd's where
    /// there is only that.
    fn route(&self, kind: Kind, readonly: bool) -> Result<Route> {
        let name = name(kind)?;
        if kind == Kind::Nwfilter && !self.system {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Rpc,
                "there are no network filters in a user's session",
            ));
        }
        // A session has no read-only sockets.
        let suffix = if readonly && self.system { "-ro" } else { "" };
        let own = self.run.join(format!("virt{name}d-sock{suffix}"));
        let all = self.run.join(format!("libvirt-sock{suffix}"));
        let socket = match !own.exists() && all.exists() {
            true => all,
            false => own,
        };
        let instance = if self.system { "system" } else { "session" };
        let uri = format!("{name}:///{instance}");
        Ok(Route { socket, uri })
    }

    /// A connection for what the daemon itself needs, in its own name. It is not kept: a daemon
    /// that ends when it is idle shall be able to.
    ///
    /// # Errors
    /// SYSTEM_ERROR naming the socket when nobody serves it; what the daemon says.
    pub async fn connect(&self, kind: Kind) -> Result<Connection> {
        let route = self.route(kind, false)?;
        let connection = Connection::connect(&route.socket).await?;
        connection.open(&route.uri, false).await?;
        Ok(connection)
    }
}

/// How long each step that asks another daemon for something may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What another daemon answers, within a time: one that hangs holds up nothing but what needs it.
/// `what` says what it has.
///
/// # Errors
/// OPERATION_TIMEOUT when it does not answer; its own errors.
pub(crate) async fn answered<T>(what: &str, asked: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(Error::new(
            ErrorCode::OperationTimeout,
            ErrorDomain::Rpc,
            format!(
                "the daemon of {what} did not answer within {} seconds; look whether it hangs",
                PATIENCE.as_secs()
            ),
        )),
    }
}

/// The kind's part in names of daemons and URIs.
fn name(kind: Kind) -> Result<&'static str> {
    Ok(match kind {
        Kind::Network => "network",
        Kind::Storage => "storage",
        Kind::Nodedev => "nodedev",
        Kind::Secret => "secret",
        Kind::Nwfilter => "nwfilter",
        Kind::Interface => "interface",
        Kind::Own | Kind::Hypervisor => {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Rpc,
                "a call of this daemon's own is not passed on",
            ));
        }
    })
}

/// One client connection's connections to the other daemons.
#[derive(Debug)]
pub struct Secondaries {
    neighbours: Arc<Neighbours>,
    client: Client,
    connections: [OnceLock<Box<Secondary>>; 6],
}

#[derive(Debug)]
struct Secondary {
    connection: Lazy,
    callbacks: Arc<Callbacks>,
}

impl Secondaries {
    /// None yet.
    pub fn new(neighbours: Arc<Neighbours>, client: Client) -> Self {
        Self {
            neighbours,
            client,
            connections: Default::default(),
        }
    }

    fn of(&self, kind: Kind) -> Result<&Secondary> {
        let place = match kind {
            Kind::Network => 0,
            Kind::Storage => 1,
            Kind::Nodedev => 2,
            Kind::Secret => 3,
            Kind::Nwfilter => 4,
            Kind::Interface => 5,
            // Refused by name.
            Kind::Own | Kind::Hypervisor => return Err(name(kind).err().unwrap_or_else(unreached)),
        };
        Ok(self.connections[place].get_or_init(|| Box::new(self.make(kind))))
    }

    fn make(&self, kind: Kind) -> Secondary {
        let (neighbours, client) = (Arc::clone(&self.neighbours), self.client.clone());
        let target = move || {
            let readonly = client.is_readonly();
            let mut identity = identity::to_params(&client.identity());
            if let Some(token) = system_token(&neighbours.run) {
                identity.push(TypedParam::string("system.token", token));
            }
            Ok(Target {
                route: neighbours.route(kind, readonly)?,
                readonly,
                identity,
            })
        };
        let callbacks = Arc::new(Callbacks::default());
        let (known, client) = (Arc::clone(&callbacks), self.client.clone());
        let connection = Lazy::new(target).when_ready(move |connection| {
            let (callbacks, client) = (Arc::clone(&known), client.clone());
            async move {
                callbacks.forget_all().await;
                tokio::spawn(relay::events(connection.events(), callbacks, client));
                Ok(())
            }
        });
        Secondary {
            connection,
            callbacks,
        }
    }
}

fn unreached() -> Error {
    Error::bare(ErrorCode::InternalError, ErrorDomain::Rpc)
}

/// A session that has connections to the other daemons.
pub trait HasSecondaries: Send + Sync + 'static {
    /// They.
    fn secondaries(&self) -> &Secondaries;
}

/// Passes calls on to the daemons that serve them.
#[derive(Debug, Clone, Copy)]
pub struct PassOn;

impl<S: HasSecondaries> Forwarder<S> for PassOn {
    fn forward(
        &self,
        call: RawCall<S>,
    ) -> Pin<Box<dyn Future<Output = Result<RawReply>> + Send + '_>> {
        Box::pin(async move {
            let secondary = call.session().secondaries().of(call.row.conn)?;
            let connection = secondary.connection.get().await?;
            if relay::registers(call.row) {
                return secondary.callbacks.register(&connection, &call).await;
            }
            if relay::deregisters(call.row) {
                return secondary.callbacks.deregister(&connection, &call).await;
            }
            let descriptors = call.take_fds();
            let (reply, stream) = connection
                .call_raw(call.row, &call.payload, descriptors)
                .await?;
            if let Some(upstream) = stream {
                let sparse = relay::is_sparse(call.row, &call.payload);
                call.serve_stream(move |stream| relay::stream(stream, upstream, sparse));
            }
            Ok(reply)
        })
    }
}

#[cfg(test)]
mod tests;
