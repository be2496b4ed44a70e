//! The admin program on the daemon's own socket: what `virt-admin` shows and sets (WIRE.md
//! section 18). Work is not bound to threads here, so the thread pool is shown as the
//! configuration has it and can't be set.

mod clients;
mod logging;
mod servers;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::Program;
use virt_rpc::protocol::admin::{
    ConnectDaemonShutdown, ConnectGetLibVersion, ConnectSetDaemonTimeout,
};
use virt_rpc::server::{Client, Limits, Router, Server, Settings};

use crate::drivers_conf::Pool;
use crate::logging::Logging;

/// A server of the daemon as the admin program sees it.
pub(crate) trait Watched: Send + Sync {
    /// Its clients, oldest first.
    fn clients(&self) -> Vec<Client>;
    /// How many at once.
    fn limits(&self) -> Limits;
    /// Changes how many at once.
    fn set_limits(&self, limits: Limits);
}

impl<S: Send + Sync + 'static> Watched for Server<S> {
    fn clients(&self) -> Vec<Client> {
        Server::clients(self)
    }

    fn limits(&self) -> Limits {
        Server::limits(self)
    }

    fn set_limits(&self, limits: Limits) {
        Server::set_limits(self, limits);
    }
}

/// One server with its name and what its configuration says of threads.
pub(crate) struct Named {
    pub name: &'static str,
    pub pool: Pool,
    pub server: Box<dyn Watched>,
}

/// What the daemon's main loop is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// End as on SIGTERM.
    Stop,
    /// End after this long with nothing to do; `None` is never.
    Timeout(Option<Duration>),
}

/// What the admin handlers share.
pub(crate) struct Admin {
    pub servers: Vec<Named>,
    pub logging: Logging,
    pub orders: mpsc::UnboundedSender<Order>,
}

/// Every client of the admin socket has the same.
pub(crate) type Session = Arc<Admin>;

impl Admin {
    fn server(&self, name: &str) -> Result<&Named> {
        let mut servers = self.servers.iter();
        servers.find(|server| server.name == name).ok_or_else(|| {
            let detail = format!("no server with matching name '{name}' found");
            Error::new(ErrorCode::NoServer, ErrorDomain::Admin, detail)
        })
    }
}

/// The daemon's admin server, which watches `main` and itself, and what each of its clients has.
pub(crate) fn server<S: Send + Sync + 'static>(
    daemon: &'static str,
    settings: Settings,
    main: (Server<S>, Pool),
    pool: Pool,
    logging: Logging,
    orders: mpsc::UnboundedSender<Order>,
) -> (Server<Session>, Session) {
    // The server is in what its own handlers share, so that is filled in once it exists.
    let shared: Arc<OnceLock<Session>> = Arc::default();
    let server = Server::new(router(Arc::clone(&shared)), settings);
    let servers = vec![
        Named {
            name: daemon,
            pool: main.1,
            server: Box::new(main.0),
        },
        Named {
            name: "admin",
            pool,
            server: Box::new(server.clone()),
        },
    ];
    let session = Arc::new(Admin {
        servers,
        logging,
        orders,
    });
    // Nobody else has the cell yet.
    let _ = shared.set(Arc::clone(&session));
    (server, session)
}

fn router(admin: Arc<OnceLock<Session>>) -> Router<Session> {
    let mut router = Router::new(&[Program::Admin], move |_, _| {
        admin.get().cloned().ok_or_else(|| {
            let detail = "the daemon is still starting";
            Error::new(ErrorCode::OperationInvalid, ErrorDomain::Admin, detail)
        })
    });
    router.call::<ConnectGetLibVersion>(|_| {
        Ok(virt_rpc::protocol::admin::ConnectGetLibVersionRet {
            libVer: virt_rpc::protocol::LIBVIRT_VERSION,
        })
    });
    router.call::<ConnectSetDaemonTimeout>(|call| {
        no_flags(call.args.flags)?;
        let seconds = u64::from(call.args.timeout);
        let timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
        order(call.session(), Order::Timeout(timeout))
    });
    router.call::<ConnectDaemonShutdown>(|call| {
        // 1 keeps running guests, which all of our stops do.
        if call.args.flags & !1 != 0 {
            return Err(unsupported_flags(call.args.flags));
        }
        order(call.session(), Order::Stop)
    });
    servers::register(&mut router);
    clients::register(&mut router);
    logging::register(&mut router);
    router
}

fn order(admin: &Admin, order: Order) -> Result<()> {
    admin.orders.send(order).map_err(|_| {
        let detail = "the daemon is ending already";
        Error::new(ErrorCode::OperationInvalid, ErrorDomain::Admin, detail)
    })
}

fn no_flags(flags: u32) -> Result<()> {
    match flags {
        0 => Ok(()),
        flags => Err(unsupported_flags(flags)),
    }
}

fn unsupported_flags(flags: u32) -> Error {
    let detail = format!("unsupported flags (0x{flags:x}); none are known here");
    Error::new(ErrorCode::InvalidArg, ErrorDomain::Admin, detail)
}
