//! The part of a start that blocks: files, descriptors, the fork. Runs on a thread of its own.

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;
use virt_cgroup::Placed;
use virt_domain::Domain;
use virt_domain::os::SmbiosMode;
use virt_domain::resource::Resource;
use virt_domain::seclabel::{Seclabel, SeclabelType};
use virt_domain::sysinfo::{SmbiosInfo, Sysinfo};
use virt_driver::Shutoff;
use virt_driver::audit::NetNode;
use virt_driver::logs::GuestLog;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::LIBVIRT_VERSION;
use virt_xml::YesNo;

use super::descriptors::{Opened, listen};
use super::secrets::{KeptSecrets, find_volume};
use super::{Origin, back_ends, check, firmware_variables, local_time, master_key};
use crate::argv::{self, HostNode, Incoming, StartContext};
use crate::caps::QemuCaps;
use crate::driver::Driver;
use crate::guest::{Provisional, Taint, log_owner};
use crate::process::{Place, Process, Program, Stdio};
use crate::secrets::{MasterKey, Secrets};
use crate::status::{self, Kept};
use crate::storage::{Dropped, overlays};
use crate::tuning::{affinity, groups};
use crate::{aliases, define, storage};

/// A QEMU that was just forked.
pub(super) struct Forked {
    pub(super) process: Process,
    /// Our end of its monitor.
    pub(super) monitor: UnixStream,
    /// The guest with names and back ends.
    pub(super) domain: Box<Domain>,
    pub(super) belongings: Provisional,
    pub(super) log: GuestLog,
    pub(super) kept: Kept,
    pub(super) taints: Vec<Taint>,
    /// Media that were missing and may be missing.
    pub(super) dropped: Vec<Dropped>,
    /// Its control groups.
    pub(super) groups: Option<Arc<Placed>>,
    /// What was opened for its interfaces.
    pub(super) net_nodes: Vec<NetNode>,
    /// What of it will go away, in words.
    pub(super) deprecations: Vec<String>,
}

fn failed(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> Error {
    move |cause| Error::system(ErrorDomain::Qemu, what, &cause)
}

/// Makes everything the guest needs and forks its QEMU.
///
/// # Errors
/// What is missing or can't be made, by name; nothing is left behind then but a line in its log.
pub(super) fn fork(
    driver: &Arc<Driver>,
    caps: &QemuCaps,
    domain: Box<Domain>,
    id: i32,
    origin: &Origin,
    reset_nvram: bool,
) -> Result<Forked> {
    // First of all, for which way the guest's output goes shows in its command line.
    let path = driver.folders.guest_log(&domain.name);
    let (log, output) = wait(driver.logs.begin(&log_owner(&domain), &path))?;
    let unmade = log.clone();
    let forked = fork_logged(driver, caps, domain, id, origin, reset_nvram, (log, output));
    if forked.is_err() {
        // What it failed with is told to the caller; nothing depends on the line.
        let _ = wait(unmade.ending(Shutoff::Failed.word()));
    }
    forked
}

/// This thread may wait; the daemon's own drives the runtime.
fn wait<T>(asked: impl Future<Output = T>) -> T {
    Handle::current().block_on(asked)
}

fn fork_logged(
    driver: &Arc<Driver>,
    caps: &QemuCaps,
    mut domain: Box<Domain>,
    id: i32,
    origin: &Origin,
    reset_nvram: bool,
    (mut log, output): (GuestLog, File),
) -> Result<Forked> {
    domain.id = Some(id);
    let original_cpu = domain.cpu.clone().map(Arc::new);
    let booting = matches!(origin, Origin::Boot);
    if booting {
        check::processor(&domain, caps, driver)?;
        check::time_stamp_counter(&domain)?;
    }
    define::resolve(
        &mut domain,
        &define::Context {
            caps,
            config: &driver.config,
            origin: define::Origin::Stored,
            random: virt_domain::random,
        },
        &|| driver.host_state.cpu_map_at_once(),
    )?;
    if booting {
        check::boot_files(&domain)?;
    }
    let there = driver.cgroups.as_deref();
    let has = |controller| there.is_some_and(|host| host.has(controller));
    virt_tuning::requirements::check(&domain, has, ErrorDomain::Qemu)?;
    let ownership = driver.ownership.as_ref();
    let (user, group) = match ownership {
        Some(ownership) => {
            let owner = ownership.account().owner;
            (owner.uid, owner.gid)
        }
        None => (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        ),
    };
    let find = &mut |pool: &str, volume: &str| find_volume(&driver.neighbours, pool, volume);
    let mut dropped = storage::volumes::resolve(&mut domain, booting, find)?;
    dropped.append(&mut storage::prepare(&mut domain, (user, group), booting)?);
    check::disks(&domain, &driver.config)?;
    firmware_variables::prepare(&domain, reset_nvram && booting)?;

    let mut belongings = Provisional::new();
    if let Some(ownership) = ownership {
        belongings.given(ownership.give(&domain)?);
    }
    let short_name = argv::short_name(id, &domain.name);
    let folder = driver.folders.guest(&short_name);
    make_folder(&folder).map_err(failed(format!(
        "Cannot create directory '{}'",
        folder.display()
    )))?;
    belongings.folder(&folder);
    let key = MasterKey::made_with(virt_domain::random);
    let key_file =
        master_key::write(&folder, &key).map_err(failed("failed to write master key file"))?;
    if let Some(ownership) = ownership {
        ownership.hand_over(&folder)?;
        ownership.hand_over(&key_file)?;
    }

    if driver.paths.is_system() {
        belongs_to_host(&mut domain, user, group);
    }
    back_ends::networks(driver, &mut domain, &mut belongings)?;
    aliases::assign(&mut domain)?;
    overlays::put(&mut domain, &mut |overlay| {
        belongings.file(overlay);
        match ownership {
            Some(ownership) => ownership.hand_over(overlay),
            None => Ok(()),
        }
    })?;
    host_devices(driver, &domain, &mut belongings)?;
    let screens = back_ends::before(
        driver,
        &mut domain,
        &short_name,
        &folder,
        !booting,
        &mut belongings,
    )?;

    let socket = folder.join("monitor.sock");
    let mut opened = Opened::new(
        back_ends::taps(&domain)?,
        screens,
        driver.folders.channel.clone(),
        log.route().clone(),
    );
    let (listener, monitor) = monitor(&socket).map_err(failed(format!(
        "failed to create socket '{}'",
        socket.display()
    )))?;
    let monitor_fd = opened.add(listener);
    let built = argv::build(
        &domain,
        caps,
        &mut StartContext {
            short_name: short_name.clone(),
            guest_dir: folder.clone(),
            config: &driver.config,
            environment: std::env::vars().collect(),
            monitor_fd,
            master_key: true,
            incoming: if booting {
                Incoming::None
            } else {
                Incoming::Defer
            },
            node_index: 0,
            now: now(),
            utc_offset: local_time::offset(now()),
            // There is no placement service.
            auto_nodes: None,
            host_nodes: HostNode::all(driver.host.tree()),
            host_smbios: copied_smbios(driver, &domain)?,
            descriptors: &mut opened,
            secrets: Secrets::new(
                &mut KeptSecrets(&driver.neighbours),
                key,
                virt_domain::random,
            ),
        },
    );
    for socket in std::mem::take(&mut opened.sockets) {
        belongings.file(socket);
    }
    back_ends::ends_belong(std::mem::take(&mut opened.ends), &mut belongings);
    let line = built?;
    make_memory_folders(driver, &line, &mut belongings)?;
    back_ends::taps_made(&mut domain, &opened.names);
    back_ends::tie_filters(driver, &domain, &mut belongings)?;
    status::note_nodes(&mut domain, &line.args);

    wait(log.starting(&versions(caps), &line.printable()))?;
    let deprecations = deprecations(&domain, caps);
    let taints = taints(&domain, !deprecations.is_empty());
    for taint in &taints {
        let about = match taint {
            Taint::DeprecatedConfig => format!(" ({})", deprecations.join(", ")),
            _ => String::new(),
        };
        // The log is for people; a guest does not fail for a line of it.
        let line = format!("Domain id={id} is tainted: {}{about}", taint.word());
        let _ = wait(log.note(&line));
    }

    let pid_file = driver.folders.pid(&domain.name);
    belongings.file(&pid_file);
    belongings.file(driver.folders.status(&domain.name));
    let mut program = Program::new(&line.program).args(&line.args);
    program.environment = Some(
        line.env
            .iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
    );
    program.output = Stdio::File(output);
    program.descriptors = opened.take();
    program.pid_file = Some(pid_file);
    program.account = ownership.map(|ownership| ownership.account().clone());
    let owner = virt_driver::leases::owner(&domain, id, 0);
    program.registration = driver.leases.registration(&owner, &domain)?;
    let (process, groups) = start_placed(driver, program, &domain, &mut belongings)?;

    let kept = Kept {
        monitor: socket,
        flags: caps.flags.clone().into(),
        channel_dir: driver.folders.channel.join(&short_name),
        memory_dir: driver.config.memory_backing_dir.join(&short_name),
        lib_dir: folder,
        cpu: original_cpu,
        logs_through_logd: log.route().is_logd(),
        remembers_owners: ownership.is_some(),
        // Drives without a medium have numbers, too.
        node_index: line.node_index.max(aliases::last_number(&domain)),
        fdset_index: line.fdset_index,
        ..Kept::default()
    };
    belongings.folder(&kept.channel_dir);
    belongings.folder(&kept.memory_dir);
    Ok(Forked {
        process,
        monitor,
        domain,
        belongings,
        log,
        kept,
        taints,
        dropped,
        groups,
        net_nodes: opened.net_nodes,
        deprecations,
    })
}

/// Starts QEMU in control groups of its own, on the processors of its main thread.
fn start_placed(
    driver: &Driver,
    mut program: Program,
    domain: &Domain,
    belongings: &mut Provisional,
) -> Result<(Process, Option<Arc<Placed>>)> {
    let made = Arc::new(Mutex::new(None));
    let cpus = affinity::of_emulator(domain);
    if driver.cgroups.is_some() || cpus.is_some() {
        let (groups, cpus) = (driver.cgroups.clone(), cpus.cloned());
        let (made, domain) = (Arc::clone(&made), domain.clone());
        program.place = Some(Place::new(move |pid| {
            if let Some(host) = groups {
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                groups::place(&host, &domain, pid, &mut made)?;
            }
            match &cpus {
                Some(cpus) => affinity::set(i32::try_from(pid).unwrap_or(i32::MAX), cpus),
                None => Ok(()),
            }
        }));
    }
    let binary = program.binary.clone();
    let started = program.start();
    let made = made.lock().unwrap_or_else(PoisonError::into_inner).take();
    let groups = made.map(Arc::new);
    if let Some(host) = &driver.cgroups {
        let (host, own, domain) = (Arc::clone(host), groups.clone(), domain.clone());
        belongings.at_end(move || match own {
            Some(own) => own.remove(),
            None => host.remove_left(&virt_tuning::guest(&domain, domain.id.unwrap_or(-1))),
        });
    }
    let process = started.map_err(|error| match Place::refusal(&error) {
        Some(refusal) => refusal.clone(),
        None => failed(format!("Failed to execute '{}'", binary.display()))(error),
    })?;
    Ok((process, groups))
}

/// Takes the guest's PCI devices from the host and gives their nodes to QEMU's user.
fn host_devices(driver: &Arc<Driver>, domain: &Domain, belongings: &mut Provisional) -> Result<()> {
    let lent = driver.pci_users.take(domain, &driver.paths.root)?;
    let nodes = lent.nodes();
    belongings.at_end(move || drop(lent));
    if let Some(ownership) = &driver.ownership {
        for node in nodes {
            ownership.hand_over(&node)?;
        }
    }
    Ok(())
}

/// The guest's own folder, which only QEMU's user may enter. One that a guest of an earlier life of
/// the host left behind goes first.
fn make_folder(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::DirBuilder::new().mode(0o750).create(folder)
}

/// A folder and those it is in, as far as they aren't there: everyone may pass through, whatever the
/// daemon's umask.
fn make_way(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_way(parent)?;
    }
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
        }),
    }
}

/// The folders that QEMU makes files of guest memory in: on file systems of huge pages and in
/// `memory_backing_dir`. Only QEMU's user may enter them.
fn make_memory_folders(
    driver: &Driver,
    line: &argv::CommandLine,
    belongings: &mut Provisional,
) -> Result<()> {
    for folder in &line.memory_folders {
        let failed = |cause: io::Error| {
            let what = format!("Unable to create {}", folder.display());
            Error::system(ErrorDomain::Qemu, what, &cause)
        };
        if let Some(parent) = folder.parent() {
            make_way(parent).map_err(failed)?;
        }
        make_folder(folder).map_err(failed)?;
        belongings.folder(folder);
        if let Some(ownership) = &driver.ownership {
            ownership.hand_over(folder)?;
        }
    }
    Ok(())
}

/// The listening end for QEMU and our own, connected to it: the kernel keeps it waiting until QEMU
/// is ready to accept it.
fn monitor(path: &Path) -> io::Result<(std::os::fd::OwnedFd, UnixStream)> {
    let listener = listen(path)?;
    let ours = UnixStream::connect(path)?;
    Ok((listener.into(), ours))
}

/// The host's SMBIOS tables, for a guest that gets a copy.
fn copied_smbios(driver: &Driver, domain: &Domain) -> Result<Option<Box<SmbiosInfo>>> {
    if domain.os.smbios.as_ref().and_then(|smbios| smbios.mode) != Some(SmbiosMode::Host) {
        return Ok(None);
    }
    let unavailable = || {
        Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Qemu,
            "Host SMBIOS information is not available",
        )
    };
    let host = virt_host::smbios::read(driver.host.tree()).ok_or_else(unavailable)?;
    // The document has more tables than a guest can be given; those are passed over.
    match virt_xml::read::<Sysinfo>(&host.to_xml())?.0 {
        Sysinfo::Smbios(info) => Ok(Some(info)),
        Sysinfo::Fwcfg(_) => Err(unavailable()),
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

/// What the host adds to a guest of the system's daemon.
fn belongs_to_host(domain: &mut Domain, user: u32, group: u32) {
    let resource = domain.resource.get_or_insert_with(Resource::default);
    resource
        .partition
        .get_or_insert_with(|| "/machine".to_owned());
    let has_dac = |label: &Seclabel| label.model.as_deref() == Some("dac");
    if !domain.seclabels.iter().any(has_dac) {
        let label = format!("+{user}:+{group}");
        domain.seclabels.push(Seclabel {
            kind: Some(SeclabelType::Dynamic),
            model: Some("dac".to_owned()),
            relabel: Some(YesNo::Yes),
            label: Some(label.clone()),
            imagelabel: Some(label),
            baselabel: None,
        });
    }
}

/// What of the guest QEMU says will go away, in the words of `virsh dominfo`.
fn deprecations(domain: &Domain, caps: &QemuCaps) -> Vec<String> {
    let accel = define::accel(domain.virt_type);
    let machine = domain.os.kind.machine.as_deref();
    let machine = machine.and_then(|name| caps.machine(accel, name));
    let machine = machine.filter(|machine| machine.deprecated);
    let model = domain.cpu.as_ref().and_then(|cpu| cpu.model_name());
    let model = model.and_then(|name| {
        let models = &caps.accel(accel)?.cpus;
        models.iter().find(|model| model.name == name)
    });
    let model = model.filter(|model| model.deprecated);
    machine
        .map(|machine| format!("machine type '{}'", machine.name))
        .into_iter()
        .chain(model.map(|model| format!("CPU model '{}'", model.name)))
        .collect()
}

fn taints(domain: &Domain, deprecated: bool) -> Vec<Taint> {
    let mut taints = Vec::new();
    if domain.qemu.commandline.is_some() || domain.qemu.overrides.is_some() {
        taints.push(Taint::CustomArgv);
    }
    if domain.cpu.as_ref().and_then(|cpu| cpu.mode)
        == Some(virt_domain::cpu::CpuMode::HostPassthrough)
    {
        taints.push(Taint::HostCpu);
    }
    if deprecated {
        taints.push(Taint::DeprecatedConfig);
    }
    taints
}

/// What the log's first line says of this run.
fn versions(caps: &QemuCaps) -> String {
    let uname = rustix::system::uname();
    format!(
        "libvirt version: {}, package: {} (virtqemud), qemu version: {}{}, kernel: {}, hostname: {}",
        dotted(LIBVIRT_VERSION),
        env!("CARGO_PKG_VERSION"),
        dotted(u64::from(caps.version)),
        caps.package,
        uname.release().to_string_lossy(),
        uname.nodename().to_string_lossy()
    )
}

/// 10000002 as `10.0.2`.
fn dotted(version: u64) -> String {
    format!(
        "{}.{}.{}",
        version / 1_000_000,
        version / 1_000 % 1_000,
        version % 1_000
    )
}
