//! A connection that is made when it is needed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use tokio::sync::Mutex;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::{Connection, Route};
use crate::protocol::remote::{ConnectSetIdentity, ConnectSetIdentityArgs, TypedParam};

/// What to connect to, and for whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The socket, and the URI the daemon is told.
    pub route: Route,
    /// Whether only to look.
    pub readonly: bool,
    /// Whom the calls are made for (WIRE.md section 14); nothing is said when it is empty.
    pub identity: Vec<TypedParam>,
}

type Resolve = Box<dyn Fn() -> Result<Target> + Send + Sync>;
type Ready =
    Box<dyn Fn(Connection) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// Connects at the first use, and again at the next use after the connection was lost. A failure
/// is not remembered: the next use tries again.
pub struct Lazy {
    resolve: Resolve,
    ready: Option<Ready>,
    current: Mutex<Option<Connection>>,
}

impl Lazy {
    /// `resolve` says what to connect to, each time anew: sockets come and go.
    pub fn new(resolve: impl Fn() -> Result<Target> + Send + Sync + 'static) -> Self {
        Self {
            resolve: Box::new(resolve),
            ready: None,
            current: Mutex::new(None),
        }
    }

    /// `ready` is run with each new connection before it is used, such as to register for events.
    #[must_use]
    pub fn when_ready<F, Fut>(mut self, ready: F) -> Self
    where
        F: Fn(Connection) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.ready = Some(Box::new(move |connection| Box::pin(ready(connection))));
        self
    }

    /// The connection, made if there is none.
    pub async fn get(&self) -> Result<Connection> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref().filter(|current| !current.is_closed()) {
            return Ok(connection.clone());
        }
        let connection = self.connect().await?;
        *current = Some(connection.clone());
        Ok(connection)
    }

    /// The connection if there is one now.
    pub async fn current(&self) -> Option<Connection> {
        let current = self.current.lock().await;
        current.clone().filter(|current| !current.is_closed())
    }

    async fn connect(&self) -> Result<Connection> {
        let target = (self.resolve)()?;
        let connection = Connection::connect(&target.route.socket).await?;
        connection.open(&target.route.uri, target.readonly).await?;
        if !target.identity.is_empty() {
            let identity = ConnectSetIdentityArgs {
                params: target.identity,
                flags: 0,
            };
            connection.call::<ConnectSetIdentity>(&identity).await?;
        }
        if let Some(ready) = &self.ready {
            ready(connection.clone()).await?;
        }
        if connection.is_closed() {
            return Err(Error::new(
                ErrorCode::Rpc,
                ErrorDomain::Rpc,
                "the daemon closed the connection at once",
            ));
        }
        Ok(connection)
    }
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy").finish_non_exhaustive()
    }
}
