//! What of the host's each device is (WIRE.md section 20).

use virt_domain::devices::chardev::{Channel, CharBackend, CharSource, Console, Parallel, Serial};
use virt_domain::devices::controller::Controller;
use virt_domain::devices::disk::Disk;
use virt_domain::devices::filesystem::Filesystem;
use virt_domain::devices::hostdev::{Hostdev, HostdevSource};
use virt_domain::devices::input::{Input, InputType};
use virt_domain::devices::interface::Interface;
use virt_domain::devices::memory::MemoryDevice;
use virt_domain::devices::redirdev::Redirdev;
use virt_domain::devices::rng::{Rng, RngBackend};
use virt_domain::devices::shmem::Shmem;
use virt_domain::devices::smartcard::{Smartcard, SmartcardMode};
use virt_domain::devices::sound::Sound;
use virt_domain::devices::storage::Location;
use virt_domain::devices::tpm::{Tpm, TpmBackend};
use virt_domain::devices::video::Video;
use virt_domain::devices::watchdog::Watchdog;
use virt_rpc::protocol::audit::Value;

use super::{Audited, MISSING, Resource, bare};

/// Where certificates of the host's cards are, unless said.
const CARDS: &str = "/etc/pki/nssdb";
/// What a host's card is called.
const HOST_CARD: &str = "nss-smartcard-device";

fn named(kind: &'static str, name: Option<&str>) -> Vec<Resource> {
    vec![Resource::Named {
        kind,
        name: name.map(str::to_owned),
    }]
}

fn described(kind: &'static str, fields: Vec<(&'static str, Value)>) -> Vec<Resource> {
    vec![Resource::Described { kind, fields }]
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// Path of the host that a character device is connected to.
fn path(source: &CharSource) -> Option<&str> {
    match &source.backend {
        CharBackend::Dev { path } | CharBackend::File { path, .. } | CharBackend::Pipe { path } => {
            Some(path)
        }
        CharBackend::Pty { path } | CharBackend::Unix { path, .. } => path.as_deref(),
        _ => None,
    }
}

/// A node of the host's that was opened for an interface: `/dev/net/tun`, `/dev/vhost-net`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetNode {
    /// The interface's address.
    pub mac: String,
    /// The node's path.
    pub path: String,
    /// Its device number, major and minor, where it is known.
    pub device: Option<(u32, u32)>,
}

impl Audited for NetNode {
    fn audited(&self) -> Vec<Resource> {
        let number = self.device.map_or_else(
            || MISSING.to_owned(),
            |(major, minor)| format!("{major:02X}:{minor:02X}"),
        );
        vec![Resource::Described {
            kind: "net",
            fields: vec![
                ("net", bare(self.mac.clone())),
                ("path", Value::Text(self.path.clone())),
                ("rdev", bare(number)),
            ],
        }]
    }
}

impl Audited for Disk {
    fn audited(&self) -> Vec<Resource> {
        let Some(source) = &self.source else {
            return named("disk", None);
        };
        match source.place() {
            Location::Network(_) => Vec::new(),
            _ => named("disk", source.path()),
        }
    }
}

impl Audited for Filesystem {
    fn audited(&self) -> Vec<Resource> {
        let source = self.source.as_ref();
        let path = source.and_then(|source| {
            [&source.dir, &source.dev, &source.file, &source.name]
                .into_iter()
                .find_map(Option::as_deref)
        });
        named("fs", path)
    }
}

impl Audited for Interface {
    fn audited(&self) -> Vec<Resource> {
        named("net", Some(&self.mac_text()))
    }
}

impl Audited for CharSource {
    fn audited(&self) -> Vec<Resource> {
        path(self).map_or_else(Vec::new, |path| named("chardev", Some(path)))
    }
}

impl Audited for Serial {
    fn audited(&self) -> Vec<Resource> {
        self.source.audited()
    }
}

impl Audited for Parallel {
    fn audited(&self) -> Vec<Resource> {
        self.source.audited()
    }
}

impl Audited for Channel {
    fn audited(&self) -> Vec<Resource> {
        self.source.audited()
    }
}

impl Audited for Console {
    fn audited(&self) -> Vec<Resource> {
        self.source.audited()
    }
}

impl Audited for Redirdev {
    fn audited(&self) -> Vec<Resource> {
        let fields = vec![("bus", bare("usb")), ("device", text("USB redirdev"))];
        described("dev", fields)
    }
}

impl Audited for Hostdev {
    fn audited(&self) -> Vec<Resource> {
        let (bus, device) = match &self.source {
            HostdevSource::Pci { address, .. } => ("pci", address.to_string()),
            HostdevSource::Usb { address, .. } => {
                let bus = address.map_or(0, |address| address.bus);
                let device = address.and_then(|address| address.device).unwrap_or(0);
                ("usb", format!("{bus:03}.{device:03}"))
            }
            HostdevSource::Scsi {
                adapter,
                bus,
                target,
                unit,
            } => ("scsi", format!("{adapter}:{bus}:{target}:{unit}")),
            HostdevSource::ScsiHost { wwpn } => ("scsi_host", wwpn.clone()),
            HostdevSource::Mdev { uuid } => ("mdev", uuid.to_string()),
            HostdevSource::Block(path) => {
                return described("hostdev", vec![("disk", text(path.clone()))]);
            }
            HostdevSource::Char(path) => {
                return described("hostdev", vec![("chardev", text(path.clone()))]);
            }
            HostdevSource::Iscsi { .. } | HostdevSource::Interface(_) => return Vec::new(),
        };
        described("dev", vec![("bus", bare(bus)), ("device", text(device))])
    }
}

impl Audited for Smartcard {
    fn audited(&self) -> Vec<Resource> {
        match &self.kind {
            SmartcardMode::Host => named("smartcard", Some(HOST_CARD)),
            SmartcardMode::HostCertificates {
                certificates,
                database,
            } => {
                let database = database.as_deref().unwrap_or(CARDS);
                let names = certificates.iter().map(String::as_str).chain([database]);
                names
                    .flat_map(|name| named("smartcard", Some(name)))
                    .collect()
            }
            SmartcardMode::Passthrough(source) => named("smartcard", path(source)),
        }
    }
}

impl Audited for Rng {
    fn audited(&self) -> Vec<Resource> {
        match &self.backend {
            RngBackend::Random { path } => named("rng", Some(path)),
            RngBackend::Egd(source) => named("rng", path(source)),
            RngBackend::Builtin => Vec::new(),
        }
    }
}

impl Audited for Tpm {
    fn audited(&self) -> Vec<Resource> {
        let (kind, device) = match &self.backend {
            TpmBackend::Passthrough { device } => ("tpm", Some(device)),
            TpmBackend::Emulator(emulator) => ("tpm-emulator", emulator.socket.as_ref()),
            TpmBackend::External { path } => ("tpm-external", Some(path)),
        };
        let device = text(device.map_or(MISSING, String::as_str));
        described(kind, vec![("device", device)])
    }
}

impl Audited for Shmem {
    fn audited(&self) -> Vec<Resource> {
        match &self.server {
            Some(server) => {
                let path = bare(server.path.as_deref().unwrap_or(MISSING));
                described("ivshmem-socket", vec![("path", path)])
            }
            None => {
                let size = self.size.unwrap_or(0).to_string();
                let path = format!("/dev/shm/{}", self.name);
                described("shmem", vec![("size", bare(size)), ("path", bare(path))])
            }
        }
    }
}

/// Nothing of the host's.
macro_rules! own {
    ($($device:ty)*) => {
        $(impl Audited for $device {
            fn audited(&self) -> Vec<Resource> {
                Vec::new()
            }
        })*
    };
}

own!(Controller MemoryDevice Sound Video Watchdog);

impl Audited for Input {
    fn audited(&self) -> Vec<Resource> {
        let given = matches!(self.kind, InputType::Evdev | InputType::Passthrough);
        let source = self.source.as_ref().filter(|_| given);
        source.map_or_else(Vec::new, |source| {
            described("evdev", vec![("path", bare(&source.path))])
        })
    }
}
