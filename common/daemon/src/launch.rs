//! A daemon from its command line to its end, in the order in which it happens.

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use virt_rpc::server::{
    Authentication, KeepaliveSettings, Limits, Listener, Role, Router, Server, Settings,
};

use crate::admin::{self, Order};
use crate::conf::Document;
use crate::drivers_conf::{DaemonConf, Pool, SocketAuth};
use crate::logging::Logging;
use crate::privileges::{self, Kept};
use crate::{Arguments, Invocation, Paths, PidFile, Signal, Signals, listeners, memory, notify};

/// How long calls under way may take once the daemon was told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// What a daemon is, beside what every daemon is.
pub trait Service: Sized + Send + Sync + 'static {
    /// What is kept for each client.
    type Session: Send + Sync + 'static;

    /// The daemon's name: of its binary, its configuration, its sockets.
    const NAME: &'static str;

    /// Its version.
    const VERSION: &'static str;

    /// The capabilities it keeps when it has them.
    const CAPABILITIES: &'static [Kept];

    /// Reads the daemon's own configuration and state; clients wait in the socket's queue.
    ///
    /// # Errors
    /// A sentence for the operator; the daemon does not start.
    fn start(base: Foundation) -> impl Future<Output = Result<Self, String>>;

    /// The handlers of everyday clients.
    fn router(self: &Arc<Self>) -> Router<Self::Session>;

    /// Called once clients are served.
    fn serving(self: &Arc<Self>) {}

    /// Reads the configuration again (SIGHUP).
    fn reload(self: &Arc<Self>) {}

    /// Whether there is a reason to stay although no client is connected.
    fn is_busy(&self) -> bool;
}

/// What every daemon has before it looks at anything of its own.
#[derive(Debug, Clone)]
pub struct Foundation {
    /// Where its files are.
    pub paths: Paths,
    /// Its own configuration file's content.
    pub conf: DaemonConf,
}

/// Runs the daemon until it is told to stop. The exit status is 0 after a clean end and 1 when
/// something stood in the way of the start, which is then told on standard error.
pub fn launch<D: Service>(args: impl Iterator<Item = OsString>) -> ExitCode {
    let ended = match Arguments::parse(D::NAME, D::VERSION, args) {
        Ok(Invocation::Print(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Run(arguments)) => run::<D>(arguments),
        Err(text) => Err(text),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            tracing::error!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn run<D: Service>(arguments: Arguments) -> Result<(), String> {
    memory::keep_small();
    // Files are 0600 unless the code says otherwise.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    raise_descriptor_limit();
    let paths = paths(&arguments)?;
    let file = arguments
        .config
        .clone()
        .unwrap_or_else(|| paths.config.join(format!("{}.conf", D::NAME)));
    let document = Document::read(&file, arguments.config.is_some()).map_err(|e| e.to_string())?;
    let conf = DaemonConf::read(document, &paths).map_err(|e| e.to_string())?;
    let logging = Logging::start(D::NAME, &conf, arguments.verbose, |name| {
        std::env::var(name).ok()
    })?;
    let pid_path = arguments
        .pid_file
        .clone()
        .unwrap_or_else(|| paths.pid.join(format!("{}.pid", D::NAME)));
    let _pid_file = PidFile::acquire(&pid_path)?;
    let listeners = listeners::open(D::NAME, &conf, paths.is_system())?;
    privileges::keep_only(D::CAPABILITIES)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("{}: the event loop can't be made: {e}", D::NAME))?;
    runtime.block_on(serve::<D>(
        Foundation { paths, conf },
        listeners,
        &logging,
        arguments.timeout,
    ))
}

fn paths(arguments: &Arguments) -> Result<Paths, String> {
    let root = arguments.root.as_deref();
    if arguments.session || !rustix::process::geteuid().is_root() {
        let variable = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Paths::session(root, variable)
    } else {
        Ok(Paths::system(root))
    }
}

/// A guest takes a handful of descriptors, a client one: the soft limit of 1024 is for programs
/// that use `select`.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(
            "the limit of open files stays at {:?}: {error}",
            limit.current
        );
    }
}

async fn serve<D: Service>(
    base: Foundation,
    listeners: Vec<Listener>,
    logging: &Logging,
    timeout: Option<Duration>,
) -> Result<(), String> {
    let mut signals =
        Signals::install().map_err(|e| format!("{}: signals can't be received: {e}", D::NAME))?;
    let conf = base.conf.clone();
    let service = Arc::new(D::start(base).await?);
    let main = Server::new(service.router(), settings(&conf, &conf.server));
    let (orders, mut ordered) = mpsc::unbounded_channel();
    let admin = admin::server(
        D::NAME,
        settings(&conf, &conf.admin),
        (main.clone(), conf.server),
        conf.admin,
        logging.clone(),
        orders,
    );
    for listener in listeners {
        match listener.role() {
            Role::Admin => admin.listen(listener),
            Role::Main | Role::ReadOnly => main.listen(listener),
        }
        .map_err(|e| format!("{}: a socket can't be served: {e}", D::NAME))?;
    }
    let clients = main.client_count();
    notify::ready();
    service.serving();
    let mut idle = Idle::new(timeout);
    let watchdog = notify::watchdog_interval();
    loop {
        let tick = watchdog
            .unwrap_or(Duration::from_secs(3600))
            .min(idle.tick());
        tokio::select! {
            signal = signals.next() => match signal {
                Signal::Stop => break,
                Signal::Reload => {
                    notify::reloading();
                    service.reload();
                    notify::ready();
                }
                Signal::ReExec => {
                    tracing::warn!("SIGUSR1 is ignored: {} keeps nothing across a re-exec", D::NAME);
                }
            },
            // The admin server holds the other end as long as this runs.
            Some(order) = ordered.recv() => match order {
                Order::Stop => break,
                Order::Timeout(timeout) => idle = Idle::new(timeout),
            },
            () = tokio::time::sleep(tick) => {
                if watchdog.is_some() {
                    notify::alive();
                }
                let busy = *clients.borrow() > 0 || service.is_busy();
                if idle.is_over(busy, Instant::now()) {
                    tracing::info!("nobody was here for the time of --timeout");
                    break;
                }
            }
        }
    }
    notify::stopping();
    admin.stop_listening();
    main.drain(DRAIN).await;
    Ok(())
}

fn settings(conf: &DaemonConf, pool: &Pool) -> Settings {
    let authentication = |auth| match auth {
        SocketAuth::None => Authentication::None,
        SocketAuth::Polkit => Authentication::Polkit,
    };
    Settings {
        limits: Limits {
            clients: pool.max_clients as usize,
            anonymous: pool.max_anonymous_clients as usize,
            requests: pool.max_client_requests,
        },
        keepalive: KeepaliveSettings {
            interval: pool
                .keepalive_interval
                .map(|seconds| Duration::from_secs(seconds.into())),
            count: pool.keepalive_count,
        },
        main: authentication(conf.auth_rw),
        readonly: authentication(conf.auth_ro),
        ..Settings::default()
    }
}

/// When to end for want of anything to do.
#[derive(Debug)]
struct Idle {
    timeout: Option<Duration>,
    since: Option<Instant>,
}

impl Idle {
    fn new(timeout: Option<Duration>) -> Self {
        Self {
            timeout,
            since: None,
        }
    }

    /// How often to look.
    fn tick(&self) -> Duration {
        match self.timeout {
            Some(_) => Duration::from_secs(1),
            None => Duration::MAX,
        }
    }

    /// Whether there was nothing to do for long enough by `now`.
    fn is_over(&mut self, busy: bool, now: Instant) -> bool {
        let Some(timeout) = self.timeout else {
            return false;
        };
        if busy {
            self.since = None;
            return false;
        }
        now.duration_since(*self.since.get_or_insert(now)) >= timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idleness_counts_from_the_last_reason_to_stay() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut idle = Idle::new(Some(Duration::from_secs(10)));
        assert!(!idle.is_over(false, at(0)));
        assert!(!idle.is_over(true, at(9)));
        assert!(!idle.is_over(false, at(11)));
        assert!(!idle.is_over(false, at(20)));
        assert!(idle.is_over(false, at(21)));
        assert!(!Idle::new(None).is_over(false, at(1_000_000)));
    }
}
