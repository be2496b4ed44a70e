//! A daemon from its command line to its end, in the order in which it happens.

use std::convert::Infallible;
use std::ffi::OsString;
use std::future::Future;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use virt_rpc::server::{
    Authentication, KeepaliveSettings, Limits, Listener, Role, Router, Server, Settings,
};

use crate::admin::{self, Order};
use crate::conf::{ConfError, Document};
use crate::drivers_conf::{DaemonConf, Pool, SocketAuth};
use crate::handover::{self, Inherited, Paused, Program, Saved, State, StateV1};
use crate::logging::{Logging, Place};
use crate::metrics::{self, Figure, Metrics, Report, Served};
use crate::privileges::{self, Kept};
use crate::{
    Arguments, Invocation, Paths, PidFile, Signal, Signals, activation, listeners, memory, notify,
};

/// virtlogd's socket for records, in the folder of sockets.
pub const RECORDS_SOCKET: &str = "virtlogd-records-sock";
/// The server for records, as virt-admin and a hand-over name it.
const RECORDS: &str = "records";
/// What serves figures, as a hand-over names it.
const METRICS: &str = "metrics";

/// How long calls under way may take once the daemon was told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// What a daemon is, beside what every daemon is.
pub trait Service: Sized + Send + Sync + 'static {
    /// What is kept for each client.
    type Session: Send + Sync + 'static;

    /// What its own file says beside what every daemon's does.
    type Conf;

    /// The daemon's name: of its binary, its configuration, its sockets.
    const NAME: &'static str;

    /// Its version.
    const VERSION: &'static str;

    /// The capabilities it keeps when it has them.
    const CAPABILITIES: &'static [Kept];

    /// Whether the daemon is the system's whoever it runs as: it has a user of its own.
    const HAS_OWN_USER: bool = false;

    /// Whether the daemon is the one that takes all others' records ([`Self::records`]).
    const TAKES_RECORDS: bool = false;

    /// Takes every key of the daemon's own file.
    ///
    /// # Errors
    /// A key that does not exist or whose value is wrong, with file and line.
    fn configuration(file: Document, paths: &Paths) -> Result<(DaemonConf, Self::Conf), ConfError>;

    /// Reads the daemon's own configuration and state; clients wait in the socket's queue.
    ///
    /// # Errors
    /// A sentence for the operator; the daemon does not start.
    fn start(base: Foundation<Self::Conf>) -> impl Future<Output = Result<Self, String>>;

    /// Goes on from what the program that ran before in this process [saved](Self::save).
    ///
    /// # Errors
    /// A sentence for the operator; the daemon does not start. [`Self::check`] has read the same
    /// state before, so only a failing system comes here.
    fn take_over(
        base: Foundation<Self::Conf>,
        left: &mut Inherited,
    ) -> impl Future<Output = Result<Self, String>> {
        let _ = (base, left);
        async {
            Err(format!(
                "{} can't take over from another program",
                Self::NAME
            ))
        }
    }

    /// Called before the program replaces itself, while clients are still served: the time to be done
    /// with what may take long.
    fn settle(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }

    /// Called when clients are not served any more but some of their calls are still under way:
    /// those that would go on for long are to be answered now. Never ends.
    fn hurry(&self) -> impl Future<Output = Infallible> {
        std::future::pending()
    }

    /// Whether the program may be replaced at this moment.
    ///
    /// # Errors
    /// It would lose something: a sentence. The program goes on serving.
    fn may_be_replaced(&self) -> Result<(), String> {
        Ok(())
    }

    /// What is to be kept when the program replaces itself in place (SIGUSR1); none when the
    /// daemon does not do that.
    fn save(&self) -> Option<Saved> {
        None
    }

    /// What is to be kept of one client beside its connection.
    fn save_session(session: &Self::Session) -> Vec<u8> {
        let _ = session;
        Vec::new()
    }

    /// Reads what [`Self::save_session`] wrote, of the client whose socket this is.
    ///
    /// # Errors
    /// It isn't that: a sentence.
    fn load_session(
        self: &Arc<Self>,
        saved: &[u8],
        socket: &Arc<UnixStream>,
    ) -> Result<Self::Session, String> {
        let _ = (saved, socket);
        Err(format!("{} keeps nothing of its clients", Self::NAME))
    }

    /// Whether what [`Self::save`] wrote, maybe in an older version, can be taken over.
    ///
    /// # Errors
    /// It can't: a sentence.
    fn check(saved: &[u8]) -> Result<(), String> {
        let _ = saved;
        Err(format!(
            "{} can't take over from another program",
            Self::NAME
        ))
    }

    /// The handlers of everyday clients.
    fn router(self: &Arc<Self>) -> Router<Self::Session>;

    /// What serves those who send records, of the daemon that takes them.
    fn records(self: &Arc<Self>) -> Option<RecordsService> {
        None
    }

    /// What the daemon knows numbers of, beside what every daemon does.
    fn figures(&self) -> Vec<Figure> {
        Vec::new()
    }

    /// Called once clients are served.
    fn serving(self: &Arc<Self>) {}

    /// Reads the configuration again (SIGHUP); the service manager is told that it is in force when
    /// this is over, and signals wait meanwhile.
    fn reload(self: &Arc<Self>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Whether there is a reason to stay although no client is connected.
    fn is_busy(&self) -> bool;
}

/// How a daemon takes records.
#[derive(Debug)]
pub struct RecordsService {
    /// The handlers.
    pub router: Router<()>,
    /// Users who may send, beside root and the daemon's own.
    pub senders: Vec<u32>,
}

/// What every daemon has before it looks at anything of its own.
#[derive(Debug)]
pub struct Foundation<C = ()> {
    /// Where its files are.
    pub paths: Paths,
    /// What its configuration file says that every daemon's does.
    pub conf: DaemonConf,
    /// What else it says.
    pub own: C,
    /// What systemd kept for it ([`notify::keep`]), by name, in no order.
    pub kept: Vec<(String, OwnedFd)>,
    /// Where it logs.
    pub logging: Logging,
}

/// Runs the daemon until it is told to stop. The exit status is 0 after a clean end and 1 when
/// something stood in the way of the start, which is then told on standard error.
pub fn launch<D: Service>(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut args = args.peekable();
    if args.peek().is_some_and(|first| first == handover::CHECK) {
        return match handover::check_input(D::NAME, D::check) {
            Ok(()) => ExitCode::SUCCESS,
            Err(text) => {
                eprintln!("{text}");
                ExitCode::FAILURE
            }
        };
    }
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

/// How long what is under way in threads may take to end with the daemon.
const LAST_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

fn run<D: Service>(arguments: Arguments) -> Result<(), String> {
    let left = Inherited::take()?;
    let program = Program::running()?;
    memory::keep_small();
    // Files are 0600 unless the code says otherwise.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    raise_descriptor_limit();
    let paths = paths(&arguments, D::HAS_OWN_USER)?;
    let file = arguments
        .config
        .clone()
        .unwrap_or_else(|| paths.config.join(format!("{}.conf", D::NAME)));
    let document = Document::read(&file, arguments.config.is_some()).map_err(|e| e.to_string())?;
    let (conf, own) = D::configuration(document, &paths).map_err(|e| e.to_string())?;
    let place = Place {
        daemon: D::NAME,
        virtlogd: paths.run.join(RECORDS_SOCKET),
        is_virtlogd: D::TAKES_RECORDS,
    };
    let logging = Logging::start(place, &conf, arguments.verbose, |name| {
        std::env::var(name).ok()
    })?;
    let pid_path = arguments
        .pid_file
        .clone()
        .unwrap_or_else(|| paths.pid.join(format!("{}.pid", D::NAME)));
    let _pid_file = PidFile::acquire(&pid_path)?;
    let mut kept = Vec::new();
    let sockets = match left {
        Some(left) => Sockets::Left(left),
        None => {
            let handed = activation::handed(D::NAME)?;
            kept = handed.kept;
            let system = paths.is_system();
            let also: &[_] = match D::TAKES_RECORDS {
                true => &[Role::Metrics, Role::Records],
                false => &[Role::Metrics],
            };
            let sockets = listeners::open(D::NAME, &conf, system, handed.sockets, also)?;
            Sockets::New(sockets)
        }
    };
    // Before the daemon gives up what it does not need later.
    let metrics_port = conf.metrics_port.map(metrics::bind).transpose()?;
    privileges::keep_only(D::CAPABILITIES)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("{}: the event loop can't be made: {e}", D::NAME))?;
    let ended = runtime.block_on(serve::<D>(
        Foundation {
            paths,
            conf,
            own,
            kept,
            logging: logging.clone(),
        },
        (sockets, metrics_port),
        &program,
        &logging,
        arguments.timeout,
    ));
    // A thread may be waiting for a service or a file system that does not answer.
    runtime.shutdown_timeout(LAST_PATIENCE);
    ended
}

/// Where the daemon's sockets come from.
enum Sockets {
    /// This start: from systemd, or bound by path.
    New(Vec<Listener>),
    /// The program before this one, with clients and all.
    Left(Inherited),
}

fn paths(arguments: &Arguments, has_own_user: bool) -> Result<Paths, String> {
    let root = arguments.root.as_deref();
    match has_own_user && !arguments.session {
        true => Ok(Paths::system(root)),
        false => Paths::of_user(root, arguments.session),
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
    base: Foundation<D::Conf>,
    (sockets, metrics_port): (Sockets, Option<TcpListener>),
    program: &Program,
    logging: &Logging,
    timeout: Option<Duration>,
) -> Result<(), String> {
    let mut signals =
        Signals::install().map_err(|e| format!("{}: signals can't be received: {e}", D::NAME))?;
    let conf = base.conf.clone();
    let (service, sockets) = match sockets {
        Sockets::New(listeners) => (D::start(base).await?, Sockets::New(listeners)),
        Sockets::Left(mut left) => {
            let service = D::take_over(base, &mut left).await?;
            (service, Sockets::Left(left))
        }
    };
    let service = Arc::new(service);
    // Not before: the daemon has given up by now what it does not need.
    tokio::spawn(logging.clone().carry());
    let main = Server::new(service.router(), settings(&conf, &conf.server));
    let (orders, mut ordered) = mpsc::unbounded_channel();
    let (admin, administration) = admin::server(
        D::NAME,
        settings(&conf, &conf.admin),
        (main.clone(), conf.server),
        conf.admin,
        logging.clone(),
        orders,
    );
    let records = service.records().map(|records| {
        let mut settings = settings(&conf, &conf.server);
        // Once for the life of the program.
        settings.records = Authentication::Also(records.senders.leak());
        Server::new(records.router, settings)
    });
    let servers = Servers {
        main: main.clone(),
        admin: admin.clone(),
        administration,
        metrics: Metrics::new(report(&service, &main, records.as_ref(), logging)),
        records,
    };
    if let Some(port) = metrics_port {
        let listened = servers.metrics.listen_on_port(port);
        listened.map_err(|e| format!("{}: 'metrics_port': {e}", D::NAME))?;
    }
    match sockets {
        Sockets::New(listeners) => servers.listen(listeners),
        Sockets::Left(left) => servers.take_up(&service, left),
    }
    .map_err(|e| format!("{}: {e}", D::NAME))?;
    Signals::unblock();
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
                    service.reload().await;
                    notify::ready();
                }
                Signal::ReExec => {
                    logging.last_words().await;
                    if replace(&service, &servers, program, &mut signals).await == Next::Stop {
                        break;
                    }
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
    drop(servers.metrics.pause().await);
    main.drain(DRAIN).await;
    if let Some(records) = &servers.records {
        records.drain(DRAIN).await;
    }
    logging.last_words().await;
    Ok(())
}

/// The servers of a daemon.
struct Servers<S> {
    main: Server<S>,
    admin: Server<admin::Session>,
    /// What every client of the admin server has.
    administration: admin::Session,
    /// For records, in the daemon that takes them.
    records: Option<Server<()>>,
    metrics: Metrics,
}

impl<S: Send + Sync + 'static> Servers<S> {
    fn listen(&self, listeners: Vec<Listener>) -> Result<(), String> {
        for listener in listeners {
            match listener.role() {
                Role::Admin => self.admin.listen(listener),
                Role::Main | Role::ReadOnly => self.main.listen(listener),
                Role::Records => match &self.records {
                    Some(records) => records.listen(listener),
                    None => Ok(()),
                },
                Role::Metrics => self.metrics.listen(listener),
            }
            .map_err(|e| format!("a socket can't be served: {e}"))?;
        }
        Ok(())
    }

    fn take_up<D>(&self, service: &Arc<D>, mut left: Inherited) -> Result<(), String>
    where
        D: Service<Session = S>,
    {
        left.resume(D::NAME, &self.main, |saved, socket| {
            service.load_session(saved, socket)
        })?;
        left.resume("admin", &self.admin, |_, _| {
            Ok(Arc::clone(&self.administration))
        })?;
        for listener in left.listeners(METRICS)? {
            let listened = self.metrics.listen(listener);
            listened.map_err(|e| format!("metrics can't be served: {e}"))?;
        }
        match &self.records {
            Some(records) if left.has(RECORDS) => left.resume(RECORDS, records, |_, _| Ok(())),
            Some(_) => {
                tracing::warn!("the program before took no records: restart to have them taken");
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// What comes after an attempt to replace the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It failed; serving goes on.
    Serve,
    /// The daemon was told to stop meanwhile.
    Stop,
}

/// Replaces this program by the one that is at its place now. Returns only if that did not happen;
/// everything is as before then.
async fn replace<D: Service>(
    service: &Arc<D>,
    servers: &Servers<D::Session>,
    program: &Program,
    signals: &mut Signals,
) -> Next {
    if service.save().is_none() {
        tracing::warn!(
            "SIGUSR1 is ignored: {} keeps nothing across a re-exec",
            D::NAME
        );
        return Next::Serve;
    }
    service.settle().await;
    // From here on a signal waits for the next program.
    Signals::block();
    let next = match signals.pending_stop().await {
        true => Next::Stop,
        false => {
            notify::reloading();
            let main = tokio::select! {
                main = Paused::new(&servers.main) => main,
                never = service.hurry() => match never {},
            };
            let admin = Paused::new(&servers.admin).await;
            let records = match &servers.records {
                Some(records) => Some(Paused::new(records).await),
                None => None,
            };
            let metrics = Paused::listening(servers.metrics.pause().await);
            let others = (admin, records, metrics);
            let (problem, left) = hand_over(service, servers, program, main, others);
            tracing::error!("the program is not replaced and goes on: {problem}");
            let resumed = match left {
                Some(left) => servers.take_up(service, left),
                None => Err("its clients and sockets are lost".to_owned()),
            };
            notify::ready();
            match resumed {
                Ok(()) => Next::Serve,
                Err(text) => {
                    tracing::error!("{text}");
                    Next::Stop
                }
            }
        }
    };
    Signals::unblock();
    next
}

/// Gives everything to the next program. When this returns there is none: the sentence says why,
/// and what was to be given is there to go on with.
fn hand_over<D: Service>(
    service: &Arc<D>,
    servers: &Servers<D::Session>,
    program: &Program,
    main: Paused<D::Session>,
    (admin, records, metrics): (Paused<admin::Session>, Option<Paused<()>>, Paused<()>),
) -> (String, Option<Inherited>) {
    let saved = service.save().unwrap_or_default();
    let main = main.state(servers.main.next_client_id(), D::NAME, D::save_session);
    let admin = admin.state(servers.admin.next_client_id(), "admin", |_| Vec::new());
    let ((main, mut open), (admin, more)) = match (main, admin) {
        (Ok(main), Ok(admin)) => (main, admin),
        (Err(text), _) | (_, Err(text)) => return (text, None),
    };
    open.extend(more);
    let mut all = vec![main, admin];
    let next_id = |server: &Server<()>| server.next_client_id();
    let records =
        records.map(|paused| (paused, RECORDS, servers.records.as_ref().map_or(1, next_id)));
    for (paused, name, next_id) in records.into_iter().chain([(metrics, METRICS, 1)]) {
        match paused.state(next_id, name, |()| Vec::new()) {
            Ok((server, more)) => {
                all.push(server);
                open.extend(more);
            }
            Err(text) => return (text, None),
        }
    }
    let mut state = StateV1::new(D::NAME, all, saved.state);
    state.descriptors = handover::numbers(&open);
    let own = state.descriptors.len();
    state.descriptors.extend(&saved.descriptors);
    let problem = service
        .may_be_replaced()
        .and_then(|()| State::new(&state))
        .and_then(|sealed| program.check(&sealed).map(|()| sealed))
        .map_or_else(
            |text| text,
            |sealed| program.execute(&sealed, &state.descriptors),
        );
    state.descriptors.truncate(own);
    (problem, Some(Inherited::here(state, open)))
}

/// What makes the page of figures.
fn report<D: Service>(
    service: &Arc<D>,
    main: &Server<D::Session>,
    records: Option<&Server<()>>,
    logging: &Logging,
) -> metrics::Answer {
    let mut servers = vec![served(D::NAME, main)];
    servers.extend(records.map(|records| served(RECORDS, records)));
    let service = Arc::clone(service);
    let report = Report {
        servers,
        logging: logging.clone(),
        own: Box::new(move || service.figures()),
    };
    report.into_answer()
}

fn served<S: Send + Sync + 'static>(name: &'static str, server: &Server<S>) -> Served {
    let (meter, server) = (server.meter(), server.clone());
    let load = move || {
        let clients = server.clients();
        let calls = clients.iter().map(|client| u64::from(client.requests()));
        (clients.len() as u64, calls.sum())
    };
    Served {
        name,
        meter,
        load: Box::new(load),
    }
}

fn settings(conf: &DaemonConf, pool: &Pool) -> Settings {
    let authentication = |auth| match auth {
        SocketAuth::None => Authentication::None,
        SocketAuth::Polkit => Authentication::Polkit,
        SocketAuth::OwnUser => Authentication::OwnUser,
        SocketAuth::RootAndOwnUser => Authentication::RootAndOwnUser,
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
        // Root looks after a daemon that has a user of its own.
        admin: match conf.auth_rw {
            SocketAuth::RootAndOwnUser => Authentication::RootAndOwnUser,
            _ => Authentication::OwnUser,
        },
        records: Authentication::RootAndOwnUser,
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
