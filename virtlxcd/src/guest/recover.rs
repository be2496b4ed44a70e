//! Finding running containers again when the daemon starts, from their status files.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use virt_driver::actor;
use virt_driver::logs::Owner;
use virt_driver::process::Process;
use virt_driver::{Guest as _, done_off_thread};
use virt_error::{Error, ErrorDomain, Result};

use super::body::{Body, Running};
use super::entry::Guest;
use super::monitor::Monitor;
use super::pause;
use super::snapshot::{Container, Live, Snapshot};
use super::status::Status;
use crate::devices;
use crate::driver::Driver;
use crate::interfaces;

/// No status file is longer, in bytes.
const MAX_STATUS: u64 = 16 << 20;

/// Takes over all containers that run, and cleans up after those that ended while no daemon was
/// there. Call it before definitions are loaded.
///
/// # Errors
/// SYSTEM_ERROR when the folder of status files can't be read.
pub async fn recover(driver: &Arc<Driver>) -> Result<()> {
    let folder = &driver.folders.state;
    let failed = |cause: std::io::Error| {
        let what = format!("Failed to open dir '{}'", folder.display());
        Error::system(ErrorDomain::Lxc, what, &cause)
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let file = entry.map_err(failed)?.file_name();
        names.extend(
            file.to_str()
                .and_then(|name| name.strip_suffix(".xml"))
                .map(str::to_owned),
        );
    }
    for name in names {
        let path = driver.folders.status(&name);
        let taken = match read(&path) {
            Ok(status) if status.domain.name == name => take_over(driver, &status).await,
            Ok(_) => Err("it is another container's".to_owned()),
            Err(what) => Err(what),
        };
        match taken {
            Ok(()) => tracing::info!(guest = %name, "found running"),
            Err(what) => tracing::error!("'{}': {what}", path.display()),
        }
    }
    let known: Vec<_> = driver
        .registry
        .active()
        .iter()
        .filter_map(|guest| Some((guest.id()?, guest.name())))
        .collect();
    if let Some(host) = driver.cgroups.clone() {
        done_off_thread(move || {
            let known: Vec<_> = known.iter().map(|(id, name)| (*id, &**name)).collect();
            host.remove_unknown(&known);
        })
        .await;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Status, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(MAX_STATUS)
        .read_to_string(&mut text)
        .map_err(|e| e.to_string())?;
    Status::read(&text).map_err(|e| e.to_string())
}

async fn take_over(driver: &Arc<Driver>, status: &Status) -> Result<(), String> {
    let name: Arc<str> = status.domain.name.as_str().into();
    let held = Process::open(status.controller).ok();
    // Looked at after it is held: its number can't become another's any more.
    let controller = held.filter(|process| is_controller(driver, process, &name));
    let monitor = Monitor::connect(&driver.folders.socket(&name)).await.ok();
    let Some(controller) = controller else {
        forget(driver, status).await;
        return Err("the container ended while no daemon was there".into());
    };
    let init = Process::open(status.init).ok();
    let init = init.filter(|init| parent(init.pid()) == Some(controller.pid()));
    let id = controller.pid();
    let groups = driver.cgroups.as_ref().and_then(|host| {
        host.find(&virt_tuning::guest(&status.domain, id), id)
            .map(Arc::new)
    });
    let owner = Owner {
        uuid: status.domain.uuid.into_bytes(),
        name: status.domain.name.clone(),
    };
    let path = driver.folders.guest_log(&name);
    let log = driver.logs.found(&owner, &path, status.logs_through_logd);
    let held = driver.labels.found(&status.domain.seclabels);
    let container = Arc::new(Container::new(controller, init, groups, held));
    let mut domain = virt_domain::Domain::clone(&status.domain);
    domain.id = Some(id);
    let snapshot = Snapshot {
        id: Some(id),
        state: pause::found(&container, status.state),
        live: Some(Arc::new(Live {
            domain: Arc::new(domain),
            container: Arc::clone(&container),
        })),
        ..Snapshot::inactive(name)
    };
    let guest = Guest::new(driver, status.domain.uuid, snapshot);
    if !driver.registry.insert_found(Arc::clone(&guest)) {
        return Err("its name or UUID is another's".into());
    }
    let mut body = <Body as actor::Body>::of(Arc::clone(&guest));
    body.running = Some(Running {
        container,
        monitor,
        exit: None,
        log,
    });
    actor::adopt(&guest, body);
    Ok(())
}

/// Whether the process is our controller of that container.
fn is_controller(driver: &Driver, process: &Process, name: &str) -> bool {
    let program = driver.controller.as_os_str().as_encoded_bytes();
    process.is_alive()
        && process.arguments().is_ok_and(|arguments| {
            let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
            arguments == [program, b"--name", name.as_bytes()]
        })
}

fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// Removes what a container left that ended while no daemon was there.
async fn forget(driver: &Arc<Driver>, status: &Status) {
    interfaces::left_unseen(driver, &status.domain).await;
    let (folders, status) = (driver.folders.clone(), status.clone());
    let (cgroups, labels) = (driver.cgroups.clone(), driver.labels.clone());
    done_off_thread(move || {
        folders.remove_run(&status.domain.name);
        devices::release(status.domain.uuid, None);
        labels.release(&status.domain.seclabels, status.domain.uuid);
        if let Some(host) = cgroups {
            host.remove_left(&virt_tuning::guest(&status.domain, status.controller));
        }
    })
    .await;
}
