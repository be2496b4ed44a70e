//! Opens what QEMU inherits as descriptors.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;
use virt_driver::audit::NetNode;
use virt_driver::logs::{Existing, Route};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_net::{End, HostEnd};

use crate::argv::{Descriptors, FileUse, TapFds, VhostNet};
use crate::vhost;

/// The first number in QEMU; those below are its standard streams.
const FIRST: RawFd = 3;

/// What was opened so far.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    descriptors: Vec<(RawFd, OwnedFd)>,
    /// Whether QEMU runs and gets them over its monitor.
    by_monitor: bool,
    /// What is known of each interface that gets a tap, by alias.
    taps: HashMap<String, HostEnd>,
    /// The taps that were made: alias and the interface's name.
    pub(crate) names: Vec<(String, String)>,
    /// What was opened for interfaces.
    pub(crate) net_nodes: Vec<NetNode>,
    /// What undoes them where they don't go by themselves.
    pub(crate) ends: Vec<End>,
    /// Below this folders for sockets are made; elsewhere they are the user's to make.
    channels: PathBuf,
    /// QEMU's ends of connections with the processes that draw its screens, by alias.
    screens: HashMap<String, OwnedFd>,
    /// Which way files of character devices are written.
    output: Route,
    /// Sockets that were made.
    pub(super) sockets: Vec<PathBuf>,
}

impl Opened {
    pub(super) fn new(
        taps: HashMap<String, HostEnd>,
        screens: HashMap<String, OwnedFd>,
        channels: PathBuf,
        output: Route,
    ) -> Self {
        Self {
            taps,
            screens,
            channels,
            output,
            ..Self::default()
        }
    }

    /// For a QEMU that runs, which is to have a tap.
    pub(crate) fn by_monitor(taps: HashMap<String, HostEnd>) -> Self {
        Self {
            taps,
            by_monitor: true,
            ..Self::default()
        }
    }

    /// What QEMU calls a descriptor.
    fn name(&self, number: RawFd) -> String {
        match self.by_monitor {
            // A number would be one of its own.
            true => format!("given{number}"),
            false => number.to_string(),
        }
    }

    /// Adds a descriptor; what QEMU calls it.
    fn add_named(&mut self, descriptor: OwnedFd) -> String {
        let number = self.add(descriptor);
        self.name(number)
    }

    /// What is to be given over the monitor, by name.
    pub(crate) fn take_named(&mut self) -> Vec<(String, OwnedFd)> {
        let taken = self.take().into_iter();
        taken.map(|(number, fd)| (self.name(number), fd)).collect()
    }

    /// Adds a descriptor; its number in QEMU.
    pub(super) fn add(&mut self, descriptor: OwnedFd) -> RawFd {
        // Bounded by the process's own limit of open files.
        let number = FIRST + RawFd::try_from(self.descriptors.len()).unwrap_or(RawFd::MAX - FIRST);
        self.descriptors.push((number, descriptor));
        number
    }

    pub(super) fn take(&mut self) -> Vec<(RawFd, OwnedFd)> {
        std::mem::take(&mut self.descriptors)
    }
}

fn node(mac: String, path: &str, opened: &OwnedFd) -> NetNode {
    let number = rustix::fs::fstat(opened).map(|stat| stat.st_rdev);
    NetNode {
        mac,
        path: path.to_owned(),
        device: number
            .ok()
            .map(|number| (rustix::fs::major(number), rustix::fs::minor(number))),
    }
}

/// A listening socket; what lies in its place is taken away if it is a socket.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type()) => {
            std::fs::remove_file(path)?;
        }
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // As QEMU would make it with the umask it runs with.
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o775))?;
    Ok(listener)
}

impl Descriptors for Opened {
    fn listen_unix(&mut self, _alias: &str, path: &Path) -> Result<i32> {
        let folder = path
            .parent()
            .filter(|folder| folder.starts_with(&self.channels));
        let listening = folder
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| listen(path));
        let listener = listening.map_err(|cause| {
            let what = format!("Unable to bind to UNIX socket path '{}'", path.display());
            Error::system(ErrorDomain::Qemu, what, &cause)
        })?;
        self.sockets.push(path.to_owned());
        Ok(self.add(listener.into()))
    }

    fn char_file(
        &mut self,
        _alias: &str,
        _used: FileUse,
        path: &Path,
        append: bool,
    ) -> Result<i32> {
        let existing = match append {
            true => Existing::GoesOn,
            false => Existing::Goes,
        };
        // This thread may wait; the daemon's own drives the runtime.
        let file = Handle::current().block_on(self.output.open(path, existing))?;
        Ok(self.add(file.into()))
    }

    fn tap(&mut self, alias: &str, queues: u32, wanted: VhostNet) -> Result<TapFds> {
        let Some(end) = self.taps.get(alias) else {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                format!("no tap is known for interface '{alias}'"),
            ));
        };
        let tap = end.make(queues, &mut self.ends)?;
        let vhost = match wanted {
            VhostNet::No => Ok(Vec::new()),
            _ => vhost::network(end.vhost_path(), queues),
        };
        self.names.push((alias.to_owned(), tap.name));
        let nodes = [
            end.tap_path().zip(tap.queues.first()),
            vhost
                .iter()
                .flatten()
                .next()
                .map(|queue| (end.vhost_path(), queue)),
        ];
        let nodes = nodes.into_iter().flatten();
        self.net_nodes
            .extend(nodes.map(|(path, opened)| node(end.mac(), path, opened)));
        let vhost = match (wanted, vhost) {
            (_, Ok(queues)) => queues,
            (VhostNet::Required, Err(cause)) => {
                return Err(Error::system(
                    ErrorDomain::Qemu,
                    "vhost-net was requested for an interface, but is unavailable",
                    &cause,
                ));
            }
            (_, Err(_)) => Vec::new(),
        };
        Ok(TapFds {
            tap: tap
                .queues
                .into_iter()
                .map(|fd| self.add_named(fd))
                .collect(),
            vhost: vhost.into_iter().map(|fd| self.add_named(fd)).collect(),
        })
    }

    fn vhost_vsock(&mut self, cid: u32) -> Result<i32> {
        let device = vhost::vsock(cid).map_err(|cause| {
            let what = format!("unable to give the guest the vsock address {cid}");
            Error::system(ErrorDomain::Qemu, what, &cause)
        })?;
        Ok(self.add(device))
    }

    fn vhost_scsi(&mut self) -> Result<i32> {
        let device = vhost::scsi().map_err(|cause| {
            Error::system(ErrorDomain::Qemu, "Cannot open '/dev/vhost-scsi'", &cause)
        })?;
        Ok(self.add(device))
    }

    fn vhost_user_gpu(&mut self, alias: &str) -> Result<i32> {
        let connection = self.screens.remove(alias).ok_or_else(|| {
            let text = format!("no process was started that draws the screen of '{alias}'");
            Error::new(ErrorCode::InternalError, ErrorDomain::Qemu, text)
        })?;
        Ok(self.add(connection))
    }

    fn vhost_vdpa(&mut self, path: &Path) -> Result<i32> {
        let device = OpenOptions::new().read(true).write(true).open(path);
        let device = device.map_err(|cause| {
            let what = format!("Unable to open '{}' for vdpa device", path.display());
            Error::system(ErrorDomain::Qemu, what, &cause)
        })?;
        Ok(self.add(device.into()))
    }

    fn tpm(&mut self, path: &Path) -> Result<i32> {
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|cause| {
                let what = format!("Could not open TPM device '{}'", path.display());
                Error::system(ErrorDomain::Qemu, what, &cause)
            })?;
        Ok(self.add(device.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_left_over_socket_is_replaced_and_a_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/channel");
        let mut opened = Opened::default();
        assert_eq!(opened.listen_unix("channel0", &path).unwrap(), 3);
        assert_eq!(opened.listen_unix("channel0", &path).unwrap(), 4);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        let error = opened.listen_unix("channel0", &path).unwrap_err();
        assert!(
            error.message().contains("Address already in use"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }
}
