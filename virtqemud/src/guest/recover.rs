//! Finding running guests again when the daemon starts: from their status files, whatever happened
//! to the daemon before.
//!
//! Files are read on threads of their own; each guest's actor then asks its QEMU what it does. A
//! guest that does not answer is served as its file says, and corrected when it answers.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Map;
use virt_domain::Domain;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::storage::StorageKind;
use virt_driver::{Guest as _, Paused, Running as RunReason, Shutoff, State};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::belongings::Belongings;
use super::body::{Body, Running};
use super::entry::Guest;
use super::log;
use super::snapshot::{IothreadThread, Live, Qemu, Snapshot};
use super::transition;
use crate::argv::{self, DriverConfig, guests_pages};
use crate::caps::QemuCaps;
use crate::driver::Driver;
use crate::process::Process;
use crate::qmp::machine::{Chardev, Cpu, Iothread};
use crate::qmp::monitor::Ready;
use crate::qmp::peripheral::{self, Object};
use crate::qmp::{Monitor, QmpError};
use crate::start::secrets::find_volume;
use crate::start::{self, back_ends};
use crate::status::Status;
use crate::storage::{overlays, volumes};

/// How long the daemon's start waits for guests to answer. Those that don't are stuck, or busy
/// with much; they are served as their files say.
const PATIENCE: Duration = Duration::from_secs(2);

/// No status file is longer.
const MAX_STATUS: u64 = 16 << 20;

/// Takes over all guests that run, and notes those that ended while no daemon was there. Call it
/// before definitions are loaded.
///
/// # Errors
/// SYSTEM_ERROR when the folder of status files can't be read.
pub async fn recover(driver: &Arc<Driver>) -> Result<()> {
    let begun = Instant::now();
    let folder = driver.folders.state.clone();
    let failed = |cause: std::io::Error| {
        let what = format!("Failed to open dir '{}'", folder.display());
        Error::system(ErrorDomain::Qemu, what, &cause)
    };
    let names = names(&folder, ".xml").map_err(failed)?;
    for name in self::names(&folder, ".pid").map_err(failed)? {
        if !names.contains(&name) {
            end_unknown(driver, &name).await;
        }
    }
    let reading: Vec<_> = names
        .into_iter()
        .map(|name| {
            let path = driver.folders.status(&name);
            let config = Arc::clone(driver);
            let read = tokio::task::spawn_blocking(move || read(&path, &config.config));
            (name, read)
        })
        .collect();
    let mut asked = Vec::new();
    for (name, read) in reading {
        let taken = match read.await {
            Ok(Ok(status)) if status.domain.name == name => take_over(driver, status).await,
            Ok(Ok(_)) => Err("it is another guest's".to_owned()),
            Ok(Err(what)) => Err(what),
            Err(fault) => Err(fault.to_string()),
        };
        match taken {
            Ok(question) => asked.extend(question),
            Err(what) => {
                let file = driver.folders.status(&name);
                tracing::error!("the status file '{}' is left out: {what}", file.display());
                if let Some(process) = qemu_of(driver, &name) {
                    tracing::error!(
                        guest = %name,
                        pid = process.pid(),
                        "the guest's QEMU runs on unseen; repair '{}' and start the daemon again, \
                         or end the process",
                        file.display()
                    );
                }
            }
        }
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let found = asked.len();
    for question in asked {
        // One that is late goes on in its actor.
        let _ = tokio::time::timeout_at(deadline, question).await;
    }
    remove_unknown_folders(driver);
    remove_unknown_groups(driver).await;
    tracing::info!("{found} running guests found in {:?}", begun.elapsed());
    Ok(())
}

/// Forgets guests that ended while no daemon was there and have no definition. Call it when
/// definitions are loaded.
pub fn forget_transient(driver: &Arc<Driver>) {
    for guest in driver.registry.all() {
        let snapshot = guest.snapshot();
        if !snapshot.is_active() && snapshot.definition.is_none() {
            tracing::warn!(guest = %snapshot.name, "the guest ended while no daemon was there");
            driver.registry.remove(&guest);
        }
    }
}

/// The process that the guest's pid file names, if it is the guest's.
fn qemu_of(driver: &Driver, name: &str) -> Option<Process> {
    // The daemon's own, and files of helpers, hold no guest's number.
    let number = std::fs::read_to_string(driver.folders.pid(name)).ok()?;
    process(number.trim().parse().ok()?, name)
}

/// Ends a QEMU that was forked and not noted before the last daemon went. Its pid file is written
/// before it is executed, so there is one as soon as there is a QEMU.
async fn end_unknown(driver: &Arc<Driver>, name: &str) {
    let file = driver.folders.pid(name);
    if let Some(process) = qemu_of(driver, name) {
        tracing::warn!(guest = %name, pid = process.pid(), "its start was cut off; QEMU is ended");
        if let Err(error) = process.kill() {
            tracing::error!(guest = %name, %error, "QEMU can't be killed");
            return;
        }
        process.readable().await;
        // What is not removed now is overwritten by the guest's next start.
        let _ = std::fs::remove_file(&file);
    }
}

/// Removes folders of guests that don't run any more. Call it when all guests are found.
fn remove_unknown_folders(driver: &Driver) {
    let own: Vec<_> = driver
        .registry
        .active()
        .iter()
        .filter_map(|guest| {
            let id = guest.id()?;
            Some(driver.folders.guest(&argv::short_name(id, &guest.name())))
        })
        .collect();
    let Ok(entries) = std::fs::read_dir(&driver.folders.lib) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_a_guests = name.strip_prefix("domain-").is_some_and(|rest| {
            let id = rest.split('-').next().unwrap_or_default();
            !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
        });
        if is_a_guests && !own.contains(&path) {
            tracing::info!("removing '{}', which no guest has", path.display());
            if let Err(error) = std::fs::remove_dir_all(&path) {
                tracing::warn!(path = %path.display(), %error, "not removed");
            }
        }
    }
}

/// Removes control groups of guests that don't run any more, such as one whose start was cut off.
async fn remove_unknown_groups(driver: &Arc<Driver>) {
    let Some(host) = driver.cgroups.clone() else {
        return;
    };
    let active = driver.registry.active();
    let known: Vec<_> = active
        .iter()
        .filter_map(|guest| Some((guest.id()?, guest.name())))
        .collect();
    let removed = tokio::task::spawn_blocking(move || {
        let known = known.iter().map(|(id, name)| (*id, &**name));
        host.remove_unknown(&known.collect::<Vec<_>>());
    });
    if let Err(error) = removed.await {
        tracing::error!(%error, "old control groups were not removed");
    }
}

fn names(folder: &Path, ending: &str) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(ending));
        if let Some(name) = name.filter(|name| !name.is_empty() && !name.starts_with('.')) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path, config: &DriverConfig) -> std::result::Result<Status, String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(MAX_STATUS)
        .read_to_string(&mut text)
        .map_err(|e| e.to_string())?;
    let mut status = Status::read(&text).map_err(|e| e.message().to_owned())?;
    status.fill_in(config);
    Ok(status)
}

/// What the guest's actor is asked.
type Question = tokio::task::JoinHandle<()>;

/// Takes a guest over, or cleans up after it when its QEMU is gone.
async fn take_over(
    driver: &Arc<Driver>,
    status: Status,
) -> std::result::Result<Option<Question>, String> {
    let id = status.domain.id.ok_or("it has no id")?;
    driver.registry.continue_after(id);
    let short_name = argv::short_name(id, &status.domain.name);
    let mut belongings = belongings(driver, &status, &short_name);
    let name: Arc<str> = status.domain.name.as_str().into();
    let process = process(status.pid, &name);
    let groups = groups(driver, &status, process.is_some(), &mut belongings);
    let Some(process) = process else {
        ended(driver, &name, status, belongings).await;
        return Ok(None);
    };
    let monitor = match connect(&status.kept.monitor).await {
        Ok(monitor) => monitor,
        Err(error) => {
            tracing::error!(guest = %name, %error, "its monitor can't be reached; it is ended");
            // Without its monitor nobody could do anything with it.
            let _ = process.kill();
            process.readable().await;
            ended(driver, &name, status, belongings).await;
            return Ok(None);
        }
    };
    let connected = Monitor::start(monitor).map_err(|e| e.to_string())?;
    let uuid = status.domain.uuid;
    let qemu = Arc::new(Qemu::new(
        uuid,
        process,
        connected.monitor,
        Arc::new(known_caps(&status)),
        groups,
    ));
    let snapshot = Snapshot {
        id: Some(id),
        state: status.state,
        live: Some(Arc::new(Live {
            domain: Arc::clone(&status.domain),
            asked_cpu: status.kept.cpu.clone(),
            qemu: Arc::clone(&qemu),
            vcpus: status.vcpus.into(),
            iothreads: Arc::new([]),
            taints: status.taints.into(),
            deprecations: status.deprecations.into(),
        })),
        ..Snapshot::inactive(Arc::clone(&name))
    };
    let guest = Guest::new(driver, uuid, snapshot);
    if !driver.registry.insert_found(Arc::clone(&guest)) {
        return Err("there is a running guest of its name or UUID already".to_owned());
    }
    let log = log::found(driver, &status.domain, status.kept.logs_through_logd);
    let mut body = Body::of(Arc::clone(&guest));
    body.set_running(Running {
        policy: start::policy(&status.domain),
        qemu,
        events: connected.events,
        belongings,
        log,
        kept: status.kept,
        expected: None,
        hung_up: None,
        migration: None,
        dumped: None,
        kept_device: None,
        owes_leases: false,
        is_up: true,
    });
    virt_driver::actor::adopt(&guest, body);
    let ready = connected.ready;
    Ok(Some(tokio::spawn(async move {
        let asked = guest
            .run("recover", |body| Box::pin(body.come_back(ready)))
            .await;
        if let Err(error) = asked {
            tracing::error!(guest = %guest.name(), %error, "the guest does not tell what it does");
        }
    })))
}

/// The guest's process, if the one of that number is it.
fn process(pid: i32, name: &str) -> Option<Process> {
    let process = Process::open(pid).ok()?;
    // Held by descriptor: looked at after that, the number can't become another's.
    let arguments = process.arguments().ok()?;
    let own = format!("guest={}", name.replace(',', ",,"));
    let is_it = arguments.iter().any(|argument| {
        let rest = argument.strip_prefix(own.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b","))
    });
    (is_it && process.is_alive()).then_some(process)
}

/// What the binary could do when the guest was started: enough for a guest that runs, and no
/// probe holds up the daemon's start.
fn known_caps(status: &Status) -> QemuCaps {
    let domain = &status.domain;
    QemuCaps {
        emulator: domain.devices.emulator.clone().unwrap_or_default(),
        version: 0,
        package: String::new(),
        arch: domain
            .os
            .kind
            .arch
            .map_or("", |arch| arch.word())
            .to_owned(),
        flags: status.kept.flags.known.clone(),
        accels: Vec::new(),
        hyperv: None,
        sev: None,
        sgx: None,
        gic: Vec::new(),
    }
}

fn belongings(driver: &Arc<Driver>, status: &Status, short_name: &str) -> Belongings {
    let mut belongings = Belongings::default();
    let (domain, kept) = (&status.domain, &status.kept);
    belongings.file(driver.folders.pid(&domain.name));
    belongings.file(driver.folders.status(&domain.name));
    let pages = driver.config.hugetlbfs.iter();
    let pages: Vec<_> = pages
        .map(|(_, mount)| guests_pages(mount, short_name))
        .collect();
    for folder in [&kept.lib_dir, &kept.channel_dir, &kept.memory_dir]
        .into_iter()
        .chain(&pages)
    {
        // A file of unknown origin must not have anything else removed.
        let is_a_guests = folder
            .file_name()
            .is_some_and(|name| name.to_string_lossy().ends_with(short_name));
        if is_a_guests {
            belongings.folder(folder);
        }
    }
    back_ends::belong(driver, domain, short_name, &mut belongings);
    for overlay in overlays::files(domain) {
        belongings.file(overlay);
    }
    give_back(driver, domain, &mut belongings);
    belongings
}

/// The guest's files are given back at its end. Where volumes are is asked again then: the status
/// file only names them.
fn give_back(driver: &Arc<Driver>, domain: &Domain, belongings: &mut Belongings) {
    let Some(ownership) = &driver.ownership else {
        return;
    };
    let is_volume = |disk: &Disk| disk.kind == StorageKind::Volume;
    if !domain.devices.disks.iter().any(is_volume) {
        belongings.given(ownership.given(domain));
        return;
    }
    let (driver, mut domain) = (Arc::clone(driver), domain.clone());
    belongings.at_end(move || {
        let find = &mut |pool: &str, volume: &str| find_volume(&driver.neighbours, pool, volume);
        if let Err(error) = volumes::resolve(&mut domain, false, find) {
            tracing::warn!(guest = %domain.name, %error, "volumes may keep QEMU's user as owner");
        }
        if let Some(ownership) = &driver.ownership {
            ownership.given(&domain).give_back();
        }
    });
}

/// The guest's control groups, which go with it.
fn groups(
    driver: &Driver,
    status: &Status,
    runs: bool,
    belongings: &mut Belongings,
) -> Option<Arc<virt_cgroup::Placed>> {
    let host = driver.cgroups.as_ref()?;
    let guest = virt_tuning::guest(&status.domain, status.domain.id.unwrap_or(-1));
    let found = runs.then(|| host.find(&guest, status.pid)).flatten();
    let found = found.map(Arc::new);
    let (own, host, domain) = (found.clone(), Arc::clone(host), Arc::clone(&status.domain));
    belongings.at_end(move || match own {
        Some(own) => own.remove(),
        None => host.remove_left(&virt_tuning::guest(&domain, domain.id.unwrap_or(-1))),
    });
    found
}

/// Connects without ever waiting for QEMU: the kernel takes the connection, or it is busy with
/// the last daemon's, which ends at once.
async fn connect(path: &Path) -> std::io::Result<std::os::unix::net::UnixStream> {
    let mut tries = 0;
    loop {
        match tokio::net::UnixStream::connect(path).await {
            Ok(stream) => return stream.into_std(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && tries < 100 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Notes a guest that ended while no daemon was there.
async fn ended(driver: &Arc<Driver>, name: &Arc<str>, status: Status, belongings: Belongings) {
    let log = log::found(driver, &status.domain, status.kept.logs_through_logd);
    let reason = match status.state {
        State::Paused(Paused::StartingUp) => Shutoff::Failed,
        _ => Shutoff::Crashed,
    };
    // The log is for people; nothing depends on it.
    if let Err(error) = log.ending(reason.word()).await {
        tracing::warn!(guest = %name, %error, "the guest's log can't be written");
    }
    let cleaned = tokio::task::spawn_blocking(move || belongings.remove());
    if let Err(error) = cleaned.await {
        tracing::error!(guest = %name, %error, "not everything of the guest was removed");
    }
    tracing::warn!(guest = %name, "the guest ended while no daemon was there");
    let snapshot = Snapshot {
        state: State::Shutoff(reason),
        ..Snapshot::inactive(Arc::clone(name))
    };
    let guest = Guest::new(driver, status.domain.uuid, snapshot);
    driver.registry.insert_found(guest);
}

impl Body {
    /// Asks a QEMU that was taken over what it does.
    async fn come_back(&mut self, ready: Ready) -> Result<()> {
        let monitor = self.live()?.qemu.monitor.clone();
        let events = monitor.set_migration_capabilities(&[("events", true)]);
        let status = monitor.send("query-status", None);
        let (cpus, chardevs) = (monitor.cpus(), monitor.chardevs());
        let iothreads = monitor.iothreads();
        let devices = monitor.peripherals();
        let name = self.name();
        let answers = self
            .attend(async move {
                ready.wait().await?;
                if let Err(error @ (QmpError::Closed | QmpError::Timeout { .. })) = events.await {
                    return Err(error);
                }
                let status: crate::qmp::run::RunStatus = status.read().await?;
                let cpus: Vec<Cpu> = cpus.read().await?;
                let chardevs: Vec<Chardev> = chardevs.read().await?;
                let iothreads: Vec<Iothread> = iothreads.read().await?;
                let devices: Vec<Object> = devices.read().await?;
                Ok((status, cpus, chardevs, iothreads, devices))
            })
            .await;
        let (status, cpus, chardevs, iothreads, devices) =
            answers.map_err(|error| error.about(&name))?;
        self.devices_gone(&peripheral::devices(devices)).await;
        let noted = self.live()?;
        let mut told = Live::clone(&noted);
        back_ends::character_devices(Arc::make_mut(&mut told.domain), &chardevs);
        told.vcpus = cpus.iter().map(Into::into).collect();
        told.iothreads = iothreads.iter().filter_map(IothreadThread::of).collect();
        // Mostly QEMU tells what the file says already; then nobody waits for the disk.
        let is_news = told.domain != noted.domain
            || told.vcpus != noted.vcpus
            || told.iothreads != noted.iothreads;
        if is_news {
            self.change_live(|live| *live = told)?;
        }
        self.catch_up_with(&status.status).await
    }

    /// Brings the state up to date with QEMU's word for what it does.
    async fn catch_up_with(&mut self, word: &str) -> Result<()> {
        let state = self.guest().snapshot().state;
        if state == State::Paused(Paused::StartingUp) || word == "prelaunch" && !is_paused(state) {
            // Its start was cut off half way.
            self.end_qemu(Shutoff::Failed);
            return Ok(());
        }
        let now = match (word, state) {
            ("running", State::Running(_)) => None,
            ("running", _) => Some(State::Running(RunReason::Unpaused)),
            ("shutdown", _) => return self.missed("SHUTDOWN").await,
            ("guest-panicked", State::Crashed(_)) => None,
            ("guest-panicked", _) => return self.missed("GUEST_PANICKED").await,
            ("suspended", _) => Some(State::PmSuspended),
            ("io-error", State::Running(_)) => Some(State::Paused(Paused::IoError)),
            ("watchdog", State::Running(_)) => Some(State::Paused(Paused::Watchdog)),
            (_, State::Running(_)) => Some(State::Paused(Paused::Unknown)),
            _ => None,
        };
        if let Some(now) = now {
            self.change(|snapshot| snapshot.state = now);
        }
        if !self.guest().snapshot().state.holds_leases() {
            // The daemon that saw it stop, or was about to let it run, may have gone too early to
            // give them back.
            self.give_leases_back_quietly().await;
        }
        if word != "running" && state == State::Paused(Paused::Save) {
            // The daemon went while the guest was being saved: it goes on.
            let monitor = self.live()?.qemu.monitor.clone();
            let cancelled = monitor.migrate_cancel();
            let _ = self.attend(cancelled).await;
            self.start_cpus(RunReason::SaveCanceled).await?;
        }
        Ok(())
    }

    /// Acts upon an event that came while no daemon was there.
    async fn missed(&mut self, event: &str) -> Result<()> {
        let Some(before) = self.before() else {
            return Ok(());
        };
        let mut data = Map::new();
        data.insert("guest".to_owned(), true.into());
        match transition::of(&before, event, &data) {
            Some(after) => {
                self.follow(after).await;
                Ok(())
            }
            None => Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                format!("the event '{event}' means nothing"),
            )),
        }
    }
}

fn is_paused(state: State) -> bool {
    matches!(state, State::Paused(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::tests::driver;

    fn status(name: &str, pid: i32, state: State) -> Status {
        let mut domain = virt_domain::Domain::read(&format!(
            "<domain type='qemu'><name>{name}</name><memory>1024</memory>
             <os><type arch='x86_64'>hvm</type></os></domain>"
        ))
        .unwrap();
        domain.id = Some(7);
        Status {
            state,
            pid,
            taints: Vec::new(),
            deprecations: Vec::new(),
            vcpus: Vec::new(),
            kept: crate::status::Kept {
                monitor: "/nonexistent".into(),
                ..crate::status::Kept::default()
            },
            domain: Arc::new(domain),
        }
    }

    #[tokio::test]
    async fn a_guest_that_is_gone_is_noted_and_its_number_is_not_used_again() {
        let root = tempfile::tempdir().unwrap();
        let driver = driver(root.path());
        let gone = status("a", i32::MAX, State::Running(RunReason::Booted));
        let file = driver.folders.status("a");
        std::fs::write(&file, gone.to_xml()).unwrap();
        recover(&driver).await.unwrap();
        let guest = driver.registry.by_name("a").unwrap();
        assert_eq!(guest.snapshot().state, State::Shutoff(Shutoff::Crashed));
        assert!(!file.exists());
        assert_eq!(driver.registry.next_id(), 8);
        forget_transient(&driver);
        assert!(driver.registry.by_name("a").is_none());
    }

    #[tokio::test]
    async fn a_stranger_with_the_guests_number_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let driver = driver(root.path());
        let mut stranger = std::process::Command::new("sleep")
            .arg("1000")
            .spawn()
            .unwrap();
        let pid = i32::try_from(stranger.id()).unwrap();
        let gone = status("a", pid, State::Running(RunReason::Booted));
        std::fs::write(driver.folders.status("a"), gone.to_xml()).unwrap();
        recover(&driver).await.unwrap();
        assert!(driver.registry.active().is_empty());
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }

    #[tokio::test]
    async fn what_is_no_status_file_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        let driver = driver(root.path());
        std::fs::write(driver.folders.status("a"), "<domstatus").unwrap();
        let other = status("b", 1, State::Running(RunReason::Booted));
        std::fs::write(driver.folders.status("c"), other.to_xml()).unwrap();
        recover(&driver).await.unwrap();
        assert!(driver.registry.is_empty());
        assert!(driver.folders.status("a").exists());
    }
}
