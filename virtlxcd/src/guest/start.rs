//! Starting a container.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Blocking;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use virt_domain::Domain;
use virt_domain::devices::chardev::CharBackend;
use virt_driver::audit::Subject;
use virt_driver::leases::{Leases, owner};
use virt_driver::logs::{GuestLog, Owner};
use virt_driver::process::{Place, Process, Program, Stdio};
use virt_driver::{Running as RunReason, State, done_off_thread};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_label::{Label, Reserved};
use virt_net::network_ports;

use super::body::{Body, Running};
use super::entry::Guest;
use super::leases;
use super::lifecycle;
use super::monitor::Monitor;
use super::snapshot::{Container, Live, Snapshot};
use crate::aliases;
use crate::devices::{self, Ready};
use crate::driver::Driver;
use crate::interfaces;
use crate::limits;
use crate::plan::{self, Answer, Go, Plan};
use crate::planning;
use crate::sharing;

/// How long a controller may take for each answer.
const PATIENCE: Duration = Duration::from_secs(30);

fn internal(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Lxc, what)
}

impl Guest {
    /// Starts a container that is defined.
    ///
    /// # Errors
    /// OPERATION_INVALID when it runs already; what keeps it from starting, by name.
    pub async fn start(self: &Arc<Self>) -> Result<()> {
        self.run("start", |body| Box::pin(start(body))).await
    }
}

/// Makes a transient container of a definition, or runs a persistent one with it, and starts it.
///
/// # Errors
/// OPERATION_FAILED when its name or UUID belong to another; what keeps it from starting.
pub async fn create(driver: &Arc<Driver>, domain: Box<Domain>) -> Result<Arc<Guest>> {
    let uuid = domain.uuid;
    let reserved = driver.registry.reserve(&domain.name, uuid);
    let reserved = reserved.map_err(|taken| taken.refusal(&domain.name, uuid, ErrorDomain::Lxc))?;
    let guest = match reserved {
        Err(guest) => guest,
        Ok(reservation) => {
            let snapshot = Snapshot::inactive(Arc::clone(reservation.name()));
            let guest = Guest::new(driver, uuid, snapshot);
            reservation.insert(Arc::clone(&guest));
            guest
        }
    };
    let started = guest
        .run("create", move |body| {
            Box::pin(async move {
                inactive(body)?;
                let launched = launch(body, &domain).await;
                if launched.is_err() && body.guest().current().definition.is_none() {
                    body.driver().registry.remove(body.guest());
                }
                launched
            })
        })
        .await;
    started.map(|()| guest)
}

fn inactive(body: &Body) -> Result<()> {
    match body.guest().snapshot().is_active() {
        false => Ok(()),
        true => Err(Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Lxc,
            "Domain is already running",
        )),
    }
}

async fn start(body: &mut Body) -> Result<()> {
    inactive(body)?;
    let definition = body.guest().current().definition.clone();
    let definition = definition.ok_or_else(|| internal("it is gone"))?;
    let domain = definition.domain()?;
    launch(body, &domain).await
}

/// Starts the container of a definition; on an error nothing of it is left.
pub(super) async fn launch(body: &mut Body, domain: &Domain) -> Result<()> {
    let subject = Subject::from(domain);
    let started = match labelled(body, domain).await {
        Ok((domain, chosen)) => {
            body.driver().auditor.tell(&subject, |subject| {
                let labels = domain.seclabels.iter();
                labels.map(|label| subject.labelled(label)).collect()
            });
            Box::pin(try_launch(body, &domain, chosen)).await
        }
        Err(error) => Err(error),
    };
    let pid = started.as_ref().ok().copied();
    body.driver().auditor.tell(&subject, |subject| {
        let mut records = subject.at_start(domain);
        if let (Some(pid), Some((init, namespace))) = (pid, body.init_namespace()) {
            records.push(subject.init(pid, init, namespace));
        }
        records.push(subject.started("booted", pid, pid.is_some()));
        records
    });
    started?;
    body.emit(lifecycle::STARTED);
    Ok(())
}

impl Body {
    /// The number of the container's first process and of its namespace of processes.
    fn init_namespace(&self) -> Option<(i32, u64)> {
        let init = self.running.as_ref()?.container.init.as_ref()?.pid();
        let namespace = rustix::fs::stat(format!("/proc/{init}/ns/pid")).ok()?;
        Some((init, namespace.st_ino))
    }
}

/// The container with its labels, and what they hold; [`try_launch`] takes them back where it fails.
async fn labelled(body: &Body, domain: &Domain) -> Result<(Box<Domain>, Labelled)> {
    let labels = body.driver().labels.clone();
    let (said, uuid) = (domain.seclabels.clone(), domain.uuid);
    let chosen = virt_driver::off_thread(move || labels.choose(&said, uuid)).await?;
    let mut domain = Box::new(domain.clone());
    domain.seclabels = chosen.seclabels;
    let labelled = Labelled {
        label: chosen.label,
        held: chosen.held,
    };
    Ok((domain, labelled))
}

/// What a container is to the host's security module.
struct Labelled {
    label: Option<Label>,
    held: Option<Reserved>,
}

async fn try_launch(body: &mut Body, domain: &Domain, labelled: Labelled) -> Result<i32> {
    let started = prepare(body, domain, labelled).await;
    if started.is_err() {
        let labels = body.driver().labels.clone();
        let (seclabels, uuid) = (domain.seclabels.clone(), domain.uuid);
        let released = virt_driver::off_thread(move || {
            labels.release(&seclabels, uuid);
            Ok(())
        });
        released.await?;
    }
    started
}

async fn prepare(body: &mut Body, domain: &Domain, labelled: Labelled) -> Result<i32> {
    let driver = Arc::clone(body.driver());
    let host = driver.cgroups.as_ref();
    limits::require(domain, |controller| {
        host.is_some_and(|host| host.has(controller))
    })?;
    // Who is in the way is told better before the controller is to register itself.
    let resources = driver.leases.of(domain).await?;
    driver.leases.check(&resources).await?;
    let wanted = domain.clone();
    let ready = virt_driver::off_thread(move || Ready::of(&wanted)).await?;
    let socket = driver.folders.socket(&domain.name);
    let mut plan = planning::plan(domain, &socket, &ready, labelled.label)?;
    let owner = Owner {
        uuid: domain.uuid.into_bytes(),
        name: domain.name.clone(),
    };
    let path = driver.folders.guest_log(&domain.name);
    let (mut log, output) = driver.logs.begin(&owner, &path).await?;
    let versions = format!("virtlxcd version: {}", env!("CARGO_PKG_VERSION"));
    log.starting(&versions, &format!("{:?}", plan.init)).await?;
    let (socket, controller, groups) = controller(&driver, domain, output).await?;
    let pid = controller.pid();
    let payload = groups.as_ref().and_then(|placed| placed.payload());
    let folder = payload.and_then(virt_cgroup::Group::unified_path);
    plan.cgroup = folder.map(|path| path.to_string_lossy().into());
    let made = make(
        &driver,
        domain,
        &plan,
        socket,
        controller,
        groups.clone(),
        body,
        log,
        ready,
        labelled.held,
    )
    .await;
    if made.is_err() {
        clean(&driver, domain, groups).await;
    }
    made.map(|()| pid)
}

/// Starts the process that will own the container, in its groups.
async fn controller(
    driver: &Arc<Driver>,
    domain: &Domain,
    output: std::fs::File,
) -> Result<(UnixStream, Process, Option<Arc<virt_cgroup::Placed>>)> {
    let failed = |e: std::io::Error| {
        let controller = driver.controller.display();
        let what = match driver.leases {
            Leases::None => format!("cannot start '{controller}'"),
            _ => format!(
                "cannot start '{controller}' and have virtlockd know it (is virtlockd.socket active?)"
            ),
        };
        match Place::refusal(&e) {
            Some(refusal) => refusal.clone(),
            None => Error::system(ErrorDomain::Lxc, what, &e),
        }
    };
    let (ours, theirs) = Blocking::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let groups = Arc::new(Mutex::new(None));
    let place = driver.cgroups.clone().map(|host| {
        let (groups, domain) = (Arc::clone(&groups), domain.clone());
        Place::new(move |pid| {
            let id = i32::try_from(pid).unwrap_or(-1);
            let placed = host.place(&virt_tuning::guest(&domain, id), pid)?;
            let mut groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
            // Noted first: what can't be kept in it takes it along.
            let placed = groups.insert(Arc::new(placed));
            limits::keep(placed, &domain)?;
            let (user, group) = planning::root_ids(&domain);
            placed
                .payload()
                .map_or(Ok(()), |payload| payload.delegate(user, group))
        })
    });
    let mut descriptors = vec![(plan::DESCRIPTOR, OwnedFd::from(theirs))];
    descriptors.extend((plan::FIRST_SHARED..).zip(sharing::open(driver, domain)?));
    let program = Program {
        output: Stdio::File(output),
        environment: Some(Vec::new()),
        descriptors,
        pid_file: Some(driver.folders.pid(&domain.name)),
        place,
        // Its number, which is the container's id as well, is not known yet: it says itself whose it is.
        registration: driver.leases.registration(&owner(domain, 0, 0), domain)?,
        name: Some(driver.controller.clone().into()),
        ..Program::new(driver.sealed.path())
            .arg("--name")
            .arg(&domain.name)
    };
    let started = tokio::task::spawn_blocking(move || program.start()).await;
    let groups = groups.lock().unwrap_or_else(PoisonError::into_inner).take();
    let started = started
        .map_err(|_| internal("starting the controller failed"))
        .and_then(|started| started.map_err(failed));
    let ready = started.and_then(|controller| {
        let socket = UnixStream::from_std(ours).map_err(failed)?;
        Ok((socket, controller))
    });
    match ready {
        Ok((socket, controller)) => Ok((socket, controller, groups)),
        Err(error) => {
            clean(driver, domain, groups).await;
            Err(error)
        }
    }
}

/// Has the controller make the container and run its init.
#[allow(
    clippy::too_many_arguments,
    reason = "each is one thing that a running container has"
)]
async fn make(
    driver: &Arc<Driver>,
    domain: &Domain,
    plan: &Plan,
    mut socket: UnixStream,
    controller: Process,
    groups: Option<Arc<virt_cgroup::Placed>>,
    body: &mut Body,
    log: GuestLog,
    ready: Ready,
    held: Option<Reserved>,
) -> Result<()> {
    // Before it mounts what others may have.
    leases::take(driver, domain, controller.pid()).await?;
    say(&mut socket, plan).await?;
    let (init, terminals) = match hear(&mut socket, &log).await? {
        Answer::Ready { init, terminals } => (init, terminals),
        Answer::Failed(what) => return Err(internal(what)),
        Answer::Started => return Err(internal("the controller is confused")),
    };
    let pid = controller.pid();
    let mut live = domain.clone();
    live.id = Some(pid);
    for (console, path) in live.devices.consoles.iter_mut().zip(terminals) {
        console.source.backend = CharBackend::Pty { path: Some(path) };
    }
    aliases::name(&mut live);
    network_ports::choose(&mut live);
    let container = Arc::new(Container::new(
        controller,
        Process::open(init).ok(),
        groups,
        held,
    ));
    let monitor = Monitor::connect(&driver.folders.socket(&domain.name))
        .await
        .map_err(|e| Error::system(ErrorDomain::Lxc, "no monitor socket", &e))?;
    let live = Arc::new(Live {
        domain: Arc::new(live),
        container: Arc::clone(&container),
    });
    body.running = Some(Running {
        container: Arc::clone(&container),
        monitor: Some(monitor),
        exit: None,
        log: log.clone(),
    });
    body.change(|snapshot| {
        snapshot.id = Some(pid);
        snapshot.live = Some(live);
        snapshot.state = State::Running(RunReason::Booted);
    });
    let run = run(body, &mut socket, &log, ready).await;
    match run {
        Ok(()) => driver.registry.activate(pid, Arc::clone(body.guest())),
        Err(_) => {
            body.running = None;
            // An error is that it is gone already.
            let _ = container.controller.kill();
            super::end::remove(&container).await;
            if let Some(live) = &body.guest().current().live {
                interfaces::left(driver, live).await;
            }
            body.change(|snapshot| {
                snapshot.id = None;
                snapshot.live = None;
                snapshot.state = State::Shutoff(virt_driver::Shutoff::Failed);
            });
        }
    }
    run
}

/// The status file first: whatever happens to this daemon from here on, the next one finds it.
async fn run(body: &mut Body, socket: &mut UnixStream, log: &GuestLog, ready: Ready) -> Result<()> {
    body.write_status().await?;
    let live = Arc::clone(body.guest().snapshot().running()?);
    devices::confine(&body.driver().auditor, &live, &ready.nodes).await?;
    ready.keep()?;
    body.connect().await?;
    say(socket, &Go).await?;
    match hear(socket, log).await? {
        Answer::Started => Ok(()),
        Answer::Failed(what) => Err(internal(what)),
        Answer::Ready { .. } => Err(internal("the controller is confused")),
    }
}

async fn say<T: serde::Serialize>(socket: &mut UnixStream, value: &T) -> Result<()> {
    let failed =
        |e: std::io::Error| Error::system(ErrorDomain::Lxc, "the controller does not listen", &e);
    let bytes = plan::to_bytes(value).map_err(failed)?;
    socket.write_all(&bytes).await.map_err(failed)
}

async fn hear(socket: &mut UnixStream, log: &GuestLog) -> Result<Answer> {
    let read = async {
        let mut word = [0; 4];
        socket.read_exact(&mut word).await?;
        let mut bytes = vec![0; plan::length(word)?];
        socket.read_exact(&mut bytes).await?;
        plan::from_bytes(&bytes)
    };
    match tokio::time::timeout(PATIENCE, read).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(internal(format!(
            "guest failed to start: the controller ended: {}",
            log.last_words().await.trim_end()
        ))),
        Err(_) => Err(Error::new(
            ErrorCode::OperationTimeout,
            ErrorDomain::Lxc,
            "the controller does not answer",
        )),
    }
}

/// Removes what a start that failed leaves.
async fn clean(driver: &Arc<Driver>, domain: &Domain, groups: Option<Arc<virt_cgroup::Placed>>) {
    let (folders, name, uuid) = (driver.folders.clone(), domain.name.clone(), domain.uuid);
    done_off_thread(move || {
        folders.remove_run(&name);
        devices::release(uuid, None);
        if let Some(groups) = groups {
            groups.remove();
        }
    })
    .await;
}
