//! Programs that are a guest's device in QEMU's place and talk to it over a vhost-user socket:
//! graphics cards and shared folders.
//!
//! Facts: QEMU's `docs/interop/vhost-user.json` (descriptors, `--print-capabilities`); virtiofsd(1);
//! the command lines of the distribution's daemon.

mod back_end;
mod gpu;
mod program;
mod virtiofs;

pub use back_end::BackEnd;
pub use gpu::arguments as gpu_arguments;
pub use program::{Capabilities, Kind, folders};
pub use virtiofs::{arguments as virtiofs_arguments, check as check_virtiofs, socket_path};

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use virt_confinement::Account;
use virt_domain::Domain;
use virt_domain::devices::filesystem::Filesystem;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Where the helpers of one guest are.
#[derive(Debug)]
pub struct Places<'a> {
    /// `ID-SHORT`, the guest's part in names of files.
    pub short_name: &'a str,
    /// The guest's own folder, in which sockets are.
    pub guest_dir: &'a Path,
    /// Folder of pid files.
    pub state: &'a Path,
    /// Folder of logs.
    pub logs: &'a Path,
    /// Folders of descriptors, the ones that count most first.
    pub descriptors: &'a [PathBuf],
}

/// Whether the guest has such devices.
pub fn any(domain: &Domain) -> bool {
    let devices = &domain.devices;
    devices.videos.iter().any(|video| video.is_vhostuser())
        || devices.filesystems.iter().any(started_by_us)
}

/// Whether it is virtiofs whose server is ours to start.
pub fn started_by_us(filesystem: &Filesystem) -> bool {
    let foreign = filesystem.source.as_ref().and_then(|s| s.socket.as_ref());
    filesystem.is_virtiofs() && foreign.is_none()
}

fn file(places: &Places, alias: &str, rest: &str) -> PathBuf {
    let name = format!("{}-{alias}-{rest}.pid", places.short_name);
    places.state.join(name)
}

/// Starts the helpers; QEMU's ends of those of graphics cards, by the cards' aliases. `account` is
/// whom QEMU runs as. Blocks, and needs a runtime.
///
/// # Errors
/// OPERATION_FAILED when no program is found that does what is asked, CONFIG_UNSUPPORTED for what the
/// program found can't do, SYSTEM_ERROR when it can't be started.
pub fn start(
    domain: &Domain,
    places: &Places,
    account: Option<&Account>,
) -> Result<HashMap<String, OwnedFd>> {
    let mut connected = HashMap::new();
    for video in domain.devices.videos.iter().filter(|v| v.is_vhostuser()) {
        let alias = video.info.alias().unwrap_or_default();
        let (binary, capabilities) = gpu::find(places.descriptors, video)?;
        let (ours, its) = pair()
            .map_err(|cause| Error::system(ErrorDomain::Qemu, "failed to create socket", &cause))?;
        let back_end = BackEnd {
            binary: &binary,
            pid_file: file(places, alias, "vhost-user-gpu"),
            log: None,
            account: account.cloned(),
        };
        back_end.start(its, |fd| gpu::arguments(fd, &capabilities, video))?;
        connected.insert(alias.to_owned(), ours);
    }
    for filesystem in domain
        .devices
        .filesystems
        .iter()
        .filter(|f| started_by_us(f))
    {
        let alias = filesystem.info.alias().unwrap_or_default();
        let (binary, capabilities) = virtiofs::find(places.descriptors, filesystem)?;
        virtiofs::check(&capabilities, filesystem)?;
        let socket = socket_path(places.guest_dir, alias);
        let listener = virtiofs::listen(&socket, account)?;
        let back_end = BackEnd {
            binary: &binary,
            pid_file: file(places, alias, "fs"),
            log: Some(
                places
                    .logs
                    .join(format!("{}-{alias}-virtiofsd.log", domain.name)),
            ),
            // It reads and writes as everybody in the guest.
            account: None,
        };
        back_end.start(listener, |fd| {
            virtiofs::arguments(fd, &capabilities, filesystem)
        })?;
    }
    Ok(connected)
}

/// Ends the helpers that still run, and removes their files. Those of graphics cards and virtiofsd end
/// by themselves with QEMU's connection. Blocks.
pub fn stop(domain: &Domain, places: &Places) {
    for video in domain.devices.videos.iter().filter(|v| v.is_vhostuser()) {
        let alias = video.info.alias().unwrap_or_default();
        back_end::end(&file(places, alias, "vhost-user-gpu"));
    }
    for filesystem in domain
        .devices
        .filesystems
        .iter()
        .filter(|f| started_by_us(f))
    {
        let alias = filesystem.info.alias().unwrap_or_default();
        back_end::end(&file(places, alias, "fs"));
        let _ = std::fs::remove_file(socket_path(places.guest_dir, alias));
    }
}

/// Two connected sockets: ours waits for nobody.
fn pair() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    let (ours, its) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let now = fcntl_getfl(ours.as_fd())?;
    fcntl_setfl(ours.as_fd(), now | OFlags::NONBLOCK)?;
    Ok((ours, its))
}

fn none_found(what: &str) -> Error {
    Error::new(
        ErrorCode::OperationFailed,
        ErrorDomain::Qemu,
        format!("Unable to find a satisfying {what}"),
    )
}
