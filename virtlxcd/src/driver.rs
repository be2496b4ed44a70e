//! What all calls share: the one value that the daemon makes at its start.

use std::path::PathBuf;
use std::sync::Arc;

use virt_daemon::Paths;
use virt_driver::access::Access;
use virt_driver::audit::Auditor;
use virt_driver::leases::{Leases, LockManager, Lockd};
use virt_driver::logs::{Logd, Logs};
use virt_driver::secondary::Neighbours;
use virt_driver::{Events, Guests, Registry, Store};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_label::Labels;

use crate::folders::Folders;
use crate::guest::Guest;
use crate::lxc_conf::LxcConf;
use crate::sealed::Sealed;

/// The name of the program that owns a container; it is beside the daemon's own.
const CONTROLLER: &str = "virtlxc-controller";

/// Units that containers start after, so that the host's shutdown ends them before (WIRE.md section
/// 22).
const AFTER: &[&str] = &["libvirtd.service", "virtlxcd.service"];

/// The driver of one host's containers.
#[derive(Debug)]
pub struct Driver {
    /// The daemon's own paths.
    pub paths: Paths,
    /// The driver's folders.
    pub folders: Folders,
    /// All containers. Handlers of calls don't use it: they go through [`Self::guests`].
    pub registry: Arc<Registry<Guest>>,
    /// The containers as calls reach them: through their access rules.
    pub guests: Guests<Guest>,
    /// Their definitions on disk.
    pub store: Store,
    /// Who hears of what happens to them.
    pub events: Arc<Events>,
    /// Where the daemons of networks, storage and the rest are.
    pub neighbours: Arc<Neighbours>,
    /// Who is asked for leases of their disks.
    pub leases: Leases,
    /// How their output is logged.
    pub logs: Logs,
    /// What the host is.
    pub host: virt_host::Host,
    /// The host's control groups; none where the host has none to offer.
    pub cgroups: Option<Arc<virt_cgroup::Host>>,
    /// What containers are to the host's security module.
    pub labels: Labels,
    /// What writes audit records.
    pub auditor: Auditor,
    /// The program that owns a container.
    pub controller: PathBuf,
    /// What of it is executed.
    pub sealed: Sealed,
}

impl Driver {
    /// A driver without containers. `access` decides who may do what.
    ///
    /// # Errors
    /// SYSTEM_ERROR when the folder of definitions can't be made, or the controller's program not be
    /// copied.
    pub fn new(paths: Paths, access: Access, auditor: Auditor, conf: &LxcConf) -> Result<Self> {
        let folders = Folders::of(&paths);
        let registry = Arc::<Registry<Guest>>::default();
        let own = std::env::current_exe()
            .map_err(|e| Error::system(ErrorDomain::Lxc, "the daemon's own program", &e))?;
        let controller = own.with_file_name(CONTROLLER);
        let sealed = Sealed::of(&controller).map_err(|e| {
            let what = format!("cannot make a copy of '{}' to run", controller.display());
            Error::system(ErrorDomain::Lxc, what, &e)
        })?;
        Ok(Self {
            guests: Guests::new(Arc::clone(&registry), access.clone(), ErrorDomain::Lxc),
            events: Events::new(access),
            store: Store::open(&folders.definitions, ErrorDomain::Lxc)?,
            neighbours: Arc::new(Neighbours {
                run: paths.run.clone(),
                system: paths.is_system(),
            }),
            leases: leases(&paths, conf)?,
            logs: Logs::new(
                conf.stdio_handler,
                Logd::new(paths.run.join("virtlogd-sock"), "lxc"),
            ),
            registry,
            host: virt_host::Host::local(),
            cgroups: cgroups(&paths).map(Arc::new),
            auditor,
            labels: Labels::new(conf.security, conf.confinement),
            controller,
            sealed,
            paths,
            folders,
        })
    }
}

fn leases(paths: &Paths, conf: &LxcConf) -> Result<Leases> {
    match conf.lock_manager {
        LockManager::Lockd => Lockd::configured(paths, "lxc-lockd.conf")
            .map(Leases::Lockd)
            .map_err(|e| Error::new(ErrorCode::ConfSyntax, ErrorDomain::Lxc, e.to_string())),
        // The file can't name sanlock.
        LockManager::None | LockManager::Sanlock => Ok(Leases::None),
    }
}

fn cgroups(paths: &Paths) -> Option<virt_cgroup::Host> {
    let driver = virt_cgroup::Driver {
        name: "lxc",
        class: "container",
        after: AFTER,
        // Not `libvirt`, as the stock daemon has it: virsh, which enters a container's group as well, goes
        // to the one above that of this name, and version 2 lets nobody into a group with others below.
        inside: "container",
        // A container's init may make groups of its own, as systemd does. virsh goes to where the
        // controller is, and is limited as the container is.
        apart: Some(virt_cgroup::Apart {
            owner: "controller",
            payload: "payload",
        }),
        scope: virt_driver::groups::scope(paths),
    };
    virt_cgroup::Host::look(driver, |_| true)
}
