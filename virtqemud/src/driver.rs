//! What all calls share: the one value that the daemon makes at its start.

use std::path::Path;
use std::sync::{Arc, Mutex};

use virt_daemon::Paths;
use virt_daemon::conf::Document;
use virt_driver::access::Access;
use virt_driver::audit::Auditor;
use virt_driver::leases::{FailureCommand, Leases, LockManager, Lockd, Sanlock, SanlockConf};
use virt_driver::logs::{Logd, Logs};
use virt_driver::secondary::Neighbours;
use virt_driver::{Events, Guests, Registry, Store};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::Host;

use crate::argv::DriverConfig;
use crate::folders::Folders;
use crate::guest::Guest;
use crate::host_devices::Users;
use crate::host_state::{HostSettings, HostState};
use crate::hugepages;
use crate::ownership::Ownership;
use crate::ports::Ports;
use crate::probe::Prober;
use crate::qemu_conf::QemuConf;

/// The QEMU driver of one host or one user.
#[derive(Debug)]
pub struct Driver {
    /// The daemon's own paths.
    pub paths: Paths,
    /// The driver's folders.
    pub folders: Folders,
    /// `qemu.conf`.
    pub conf: QemuConf,
    /// The part of it and of the folders that shows in command lines.
    pub config: DriverConfig,
    /// All guests. Handlers of calls don't use it: they go through [`Self::guests`].
    pub registry: Arc<Registry<Guest>>,
    /// The guests as calls reach them: through their access rules.
    pub guests: Guests<Guest>,
    /// Their definitions on disk.
    pub store: Store,
    /// Who hears of what happens to them.
    pub events: Arc<Events>,
    /// Where the daemons of networks, storage and the rest are.
    pub neighbours: Arc<Neighbours>,
    /// What the QEMU binaries can do.
    pub prober: Prober,
    /// What the host is.
    pub host: Arc<Host>,
    /// What is learnt of it once and kept.
    pub host_state: HostState,
    /// Who is asked for the guests' leases.
    pub leases: Leases,
    /// How guests' output is logged.
    pub logs: Logs,
    /// TCP ports of the guests' displays.
    pub ports: Mutex<Ports>,
    /// The host's control groups; none in a session, and where the host has none to offer.
    pub cgroups: Option<Arc<virt_cgroup::Host>>,
    /// What writes audit records.
    pub auditor: Auditor,
    /// Which guest has which PCI device of the host.
    pub pci_users: Arc<Users>,
    /// Who QEMU runs as; nobody but the daemon's own user in a session.
    pub ownership: Option<Ownership>,
}

impl Driver {
    /// A driver without guests; its folders are there. `access` decides who may do what.
    ///
    /// # Errors
    /// SYSTEM_ERROR when the folder of definitions can't be made, CONF_SYNTAX for a user of `qemu.conf`
    /// who is not there.
    pub fn new(paths: Paths, conf: QemuConf, access: Access, auditor: Auditor) -> Result<Self> {
        let ownership = match paths.is_system() {
            true => Ownership::of(&conf)
                .map_err(|what| Error::new(ErrorCode::ConfSyntax, ErrorDomain::Qemu, what))?,
            false => None,
        };
        let folders = Folders::of(&paths);
        let config = driver_config(&paths, &folders, &conf);
        let host = Arc::new(Host::local());
        let settings = HostSettings::of(&config, &conf);
        let registry = Arc::<Registry<Guest>>::default();
        Ok(Self {
            guests: Guests::new(Arc::clone(&registry), access.clone(), ErrorDomain::Qemu),
            events: Events::new(access),
            store: Store::open(&folders.definitions, ErrorDomain::Qemu)?,
            neighbours: Arc::new(Neighbours {
                run: paths.run.clone(),
                system: paths.is_system(),
            }),
            prober: Prober::new(&folders.capabilities),
            leases: leases(&paths, &conf)?,
            logs: Logs::new(
                conf.stdio_handler,
                Logd::new(paths.run.join("virtlogd-sock"), "qemu"),
            ),
            registry,
            host_state: HostState::new(Arc::clone(&host), settings),
            host,
            cgroups: crate::tuning::host::look(&paths, &conf).map(Arc::new),
            ownership,
            auditor,
            pci_users: Arc::default(),
            ports: Mutex::new(Ports::new(conf.display_ports, conf.websocket_ports)),
            paths,
            folders,
            conf,
            config,
        })
    }
}

/// The configuration of a lock manager is read only where it is asked.
fn leases(paths: &Paths, conf: &QemuConf) -> Result<Leases> {
    let failed = |e: virt_daemon::conf::ConfError| {
        Error::new(ErrorCode::ConfSyntax, ErrorDomain::Qemu, e.to_string())
    };
    let file = |name: &str| Document::read(&paths.config.join(name), false).map_err(failed);
    match conf.lock_manager {
        LockManager::None => Ok(Leases::None),
        LockManager::Lockd => {
            let lockd = Lockd::configured(paths, "qemu-lockd.conf");
            Ok(Leases::Lockd(lockd.map_err(failed)?))
        }
        LockManager::Sanlock => {
            let folder = paths.lib.join("sanlock");
            let file = file("qemu-sanlock.conf")?;
            let conf = SanlockConf::read(file, &folder, |dir| paths.below_root(dir));
            let conf = conf.map_err(failed)?;
            let program = std::env::current_exe().map_err(|e| {
                Error::system(
                    ErrorDomain::Qemu,
                    "the daemon's own program is not found",
                    &e,
                )
            })?;
            let failure = FailureCommand {
                program,
                socket: paths.run.join("virtqemud-sock"),
            };
            Ok(Leases::Sanlock(Sanlock::new(conf, failure)?))
        }
    }
}

/// Width of the host's physical addresses (`address sizes` of `/proc/cpuinfo`); 0 where it isn't told.
fn host_phys_bits() -> u32 {
    let text = virt_host::sysfs::read_text(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let sizes = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == "address sizes").then_some(value)
    });
    sizes
        .and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn driver_config(paths: &Paths, folders: &Folders, conf: &QemuConf) -> DriverConfig {
    DriverConfig {
        privileged: paths.is_system(),
        lib_dir: folders.lib.clone(),
        channel_target_dir: folders.channel.clone(),
        nvram_dir: folders.nvram.clone(),
        memory_backing_dir: conf.memory_backing_dir.clone(),
        host_phys_bits: host_phys_bits(),
        host_cpu: Some(Arc::new(virt_host::cpu::cpuid::read())),
        hugetlbfs: hugepages::mounts(conf.hugetlbfs_mount.as_deref(), Path::new("/proc")),
        state_dir: folders.state.clone(),
        vnc_listen: conf.vnc_listen.clone(),
        vnc_auto_unix_socket: conf.vnc_auto_unix_socket,
        vnc_password: conf.vnc_password.clone(),
        spice_listen: conf.spice_listen.clone(),
        spice_password: conf.spice_password.clone(),
        log_timestamp: conf.log_timestamp,
        seccomp_sandbox: conf.seccomp_sandbox,
        ..DriverConfig::system()
    }
}
