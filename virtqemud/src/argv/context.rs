//! What only the start of a guest knows, and the descriptors it hands to QEMU.

use crate::secrets::Secrets;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use virt_domain::devices::storage::SecretRef;
use virt_domain::sysinfo::SmbiosInfo;
use virt_domain::{Arch, NumberSet};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::cpu::CpuData;

/// What the command line of one start needs besides the guest's definition and the binary's
/// capabilities. The starter fills it; a dry run (`domxml-to-native`) and the tests fill it with
/// made-up numbers.
pub struct StartContext<'a> {
    /// `ID-SHORT` (WIRE.md section 25): the guest's part in names of files and folders; id -1 for a
    /// guest that isn't started.
    pub short_name: String,
    /// The guest's own folder: `LIB/domain-ID-SHORT`. It holds `master-key.aes` and, in system
    /// mode, is QEMU's HOME.
    pub guest_dir: PathBuf,
    /// What the driver is configured to (qemu.conf).
    pub config: &'a DriverConfig,
    /// The daemon's environment, of which QEMU inherits a few variables.
    pub environment: Vec<(String, String)>,
    /// Descriptor of the listening monitor socket.
    pub monitor_fd: i32,
    /// Whether `GUEST_DIR/master-key.aes` was written and the key given to QEMU.
    pub master_key: bool,
    /// Whether the guest waits for a migration or a saved state.
    pub incoming: Incoming,
    /// Number of the last block node that was named; [`super::build`] goes on counting.
    pub node_index: u32,
    /// Seconds since the epoch, for clocks that are set relative to now.
    pub now: i64,
    /// Seconds by which the host's local time is ahead of universal time.
    pub utc_offset: i64,
    /// The host's NUMA nodes; empty where that isn't known.
    pub host_nodes: Vec<HostNode>,
    /// The host nodes a placement service recommends; none where there is no such service.
    pub auto_nodes: Option<NumberSet>,
    /// The host's SMBIOS tables, for guests that get a copy.
    pub host_smbios: Option<Box<SmbiosInfo>>,
    /// Opens what QEMU is handed as descriptors.
    pub descriptors: &'a mut dyn Descriptors,
    /// Finds and encrypts what QEMU is handed as secrets.
    pub secrets: Secrets<'a>,
}

/// `ID-SHORT`, the guest's part in names of files and folders: at most 20 characters of the name,
/// those that could do harm in a path left out (WIRE.md section 25). A guest that isn't started
/// has -1 as id.
pub fn short_name(id: i32, name: &str) -> String {
    let harmless = |c: &char| !matches!(c, '/' | '\n' | '\0');
    let short: String = name.chars().filter(harmless).take(20).collect();
    format!("{id}-{short}")
}

/// A NUMA node of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNode {
    /// Its number.
    pub id: u32,
    /// Its processors; none of a node that is memory only.
    pub cpus: NumberSet,
}

impl HostNode {
    /// All nodes of a host, as its kernel lists them.
    pub fn all(tree: &virt_host::sysfs::Tree) -> Vec<Self> {
        const FOLDER: &str = "sys/devices/system/node";
        let nodes = tree.numbered(FOLDER, "node").into_iter();
        nodes
            .map(|id| Self {
                id,
                cpus: tree
                    .line(&format!("{FOLDER}/node{id}/cpulist"))
                    .and_then(|list| NumberSet::parse(&list))
                    .unwrap_or_default(),
            })
            .collect()
    }
}

/// Folder of a guest's pages in a file system of huge pages.
pub fn guests_pages(mount: &Path, short_name: &str) -> PathBuf {
    mount.join("libvirt/qemu").join(short_name)
}

/// Where a guest's state comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// It boots.
    None,
    /// It waits until it is told over its monitor (`-incoming defer`).
    Defer,
    /// It reads from there at once.
    Uri(String),
}

/// What is done with the file behind a character device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileUse {
    /// It is the back end.
    Source,
    /// A copy of the output goes there.
    Log,
}

impl FileUse {
    /// The word in the descriptor's label.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Log => "log",
        }
    }
}

/// Descriptors of one network interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TapFds {
    /// One per queue, as QEMU knows it: a number, or the name it was given over the monitor.
    pub tap: Vec<String>,
    /// One per queue where the kernel moves the packets; empty where QEMU does.
    pub vhost: Vec<String>,
}

/// What the back end of an interface takes of all that.
pub struct NetContext<'a> {
    /// As [`StartContext::short_name`].
    pub short_name: &'a str,
    /// As [`StartContext::config`].
    pub config: &'a DriverConfig,
    /// As [`StartContext::descriptors`].
    pub descriptors: &'a mut dyn Descriptors,
}

/// Descriptors that a client handed over for disks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskGroup {
    /// Their numbers in QEMU.
    pub descriptors: Vec<i32>,
    /// Whether they are for writing too, also where they are used for reading.
    pub writable: bool,
}

/// The refusal of descriptors that nobody handed over.
pub fn unknown_disk_group(name: &str) -> Error {
    Error::new(
        ErrorCode::InvalidArg,
        ErrorDomain::Qemu,
        format!("file descriptor group '{name}' was not associated with the domain"),
    )
}

/// Opens (or, in a dry run, invents) the descriptors that QEMU inherits. Each number must stay
/// open until QEMU was started. Whatever was opened is closed again when the start fails.
///
/// # Errors
/// Every method fails with the reason, which names the file or device and ends the start.
pub trait Descriptors {
    /// Whether nothing is opened, because the command line is for people to read: what a guest
    /// would find open is named by its path then, as the stock daemon does.
    fn names_files(&self) -> bool {
        false
    }

    /// A listening UNIX socket at `path` for the character device `alias`.
    fn listen_unix(&mut self, alias: &str, path: &Path) -> Result<i32>;

    /// The file of a character device, opened for writing by the log daemon or the driver.
    fn char_file(&mut self, alias: &str, used: FileUse, path: &Path, append: bool) -> Result<i32>;

    /// The tap device of an interface on a bridge, a network or of type `ethernet`, and vhost-net
    /// where `vhost` allows it: `queues` of each. The interface is named by its alias.
    fn tap(&mut self, alias: &str, queues: u32, vhost: VhostNet) -> Result<TapFds>;

    /// `/dev/vhost-vsock`, bound to the guest's address.
    fn vhost_vsock(&mut self, cid: u32) -> Result<i32>;

    /// `/dev/vhost-scsi`.
    fn vhost_scsi(&mut self) -> Result<i32>;

    /// Whether the block device at `path` is a CD-ROM drive, whose tray the guest may open.
    fn is_cdrom_drive(&self, path: &str) -> bool {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        /// Linux's number of the SCSI CD-ROM driver.
        const SCSI_CDROM: u32 = 11;
        std::fs::metadata(path).is_ok_and(|meta| {
            meta.file_type().is_block_device() && rustix::fs::major(meta.rdev()) == SCSI_CDROM
        })
    }

    /// The descriptors of that name that a client handed over for disks of this guest.
    fn disk_group(&mut self, name: &str) -> Result<DiskGroup> {
        Err(unknown_disk_group(name))
    }

    /// The node by which a SCSI unit of the host takes commands, `/dev/sg0`. `adapter` is
    /// `scsi_host0`.
    fn scsi_generic(&self, adapter: &str, bus: u32, target: u32, unit: u64) -> Result<String> {
        let host: u32 = adapter
            .strip_prefix("scsi_host")
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| {
                Error::new(
                    ErrorCode::InternalError,
                    ErrorDomain::None,
                    format!("Cannot parse adapter '{adapter}'"),
                )
            })?;
        let folder = format!("/sys/bus/scsi/devices/{host}:{bus}:{target}:{unit}/scsi_generic");
        let found = std::fs::read_dir(&folder).and_then(|mut entries| {
            let entry = entries.next().ok_or(std::io::ErrorKind::NotFound)??;
            Ok(format!("/dev/{}", entry.file_name().to_string_lossy()))
        });
        found.map_err(|cause| {
            let what = format!("cannot open directory '{folder}'");
            Error::system(ErrorDomain::None, what, &cause)
        })
    }

    /// A vDPA device.
    fn vhost_vdpa(&mut self, path: &Path) -> Result<i32>;

    /// A connection to the process that draws the screen of the graphics card of that alias.
    fn vhost_user_gpu(&mut self, alias: &str) -> Result<i32>;

    /// A TPM device or its cancel file.
    fn tpm(&mut self, path: &Path) -> Result<i32>;
}

/// Whether the kernel is to move an interface's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VhostNet {
    /// QEMU does it.
    No,
    /// The kernel where it can.
    IfAvailable,
    /// The kernel, or the start fails.
    Required,
}

/// The part of qemu.conf and of the daemon's paths that shows in command lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverConfig {
    /// Whether definitions are taken that this driver can't start yet: only for the developer tool,
    /// which starts nothing.
    pub takes_unmet: bool,
    /// Whether this is the system's daemon.
    pub privileged: bool,
    /// The host's architecture.
    pub host_arch: Arch,
    /// Folders with descriptors of firmware, the ones that count most first.
    pub firmware_dirs: Vec<PathBuf>,
    /// Folders with descriptors of vhost-user programs, the ones that count most first.
    pub vhost_user_dirs: Vec<PathBuf>,
    /// Firmware without a descriptor: code and what its variables start from.
    pub nvram: Vec<(PathBuf, PathBuf)>,
    /// Folder of the guests' folders, `/var/lib/libvirt/qemu`.
    pub lib_dir: PathBuf,
    /// Sockets of channels without a path, `/run/libvirt/qemu/channel`.
    pub channel_target_dir: PathBuf,
    /// Variable stores of firmware, `/var/lib/libvirt/qemu/nvram`.
    pub nvram_dir: PathBuf,
    /// Files of `<source type='file'/>` memory, `/var/lib/libvirt/qemu/ram`.
    pub memory_backing_dir: PathBuf,
    /// Sockets of passt, D-Bus and RDP helpers: `/run/libvirt/qemu`.
    pub state_dir: PathBuf,
    /// The host's ordinary page size, KiB.
    pub page_kib: u64,
    /// Mounted huge page file systems: page size in KiB and where. The first one is the default.
    pub hugetlbfs: Vec<(u64, PathBuf)>,
    /// `vnc_listen`.
    pub vnc_listen: String,
    /// `vnc_auto_unix_socket`.
    pub vnc_auto_unix_socket: bool,
    /// `vnc_tls` with the folder of its certificates.
    pub vnc_tls: Option<Tls>,
    /// `vnc_sasl`.
    pub vnc_sasl: bool,
    /// `vnc_sasl_dir`: where QEMU looks for SASL's configuration.
    pub vnc_sasl_dir: Option<PathBuf>,
    /// `vnc_allow_host_audio`.
    pub vnc_allow_host_audio: bool,
    /// `vnc_password` or an empty text where passwords are needed.
    pub vnc_password: Option<String>,
    /// `nographics_allow_host_audio`.
    pub nographics_allow_host_audio: bool,
    /// `spice_listen`.
    pub spice_listen: String,
    /// `spice_auto_unix_socket`.
    pub spice_auto_unix_socket: bool,
    /// `spice_tls`.
    pub spice_tls: bool,
    /// The folder of SPICE's certificates.
    pub spice_tls_dir: PathBuf,
    /// `spice_password`.
    pub spice_password: Option<String>,
    /// `spice_sasl`.
    pub spice_sasl: bool,
    /// `spice_sasl_dir`: where QEMU looks for SASL's configuration.
    pub spice_sasl_dir: Option<PathBuf>,
    /// `chardev_tls`: character devices over TCP are encrypted unless they say otherwise.
    pub chardev_tls: bool,
    /// The certificates of those that are encrypted.
    pub chardev_certificates: Tls,
    /// Whether there is a server of RDP for guests, qemu-rdp(1).
    pub qemu_rdp: bool,
    /// The sound system that guests may use where the configuration lets them: `QEMU_AUDIO_DRV` of
    /// the daemon's environment.
    pub audio_driver: Option<String>,
    /// `nbd_tls` with the folder of its certificates.
    pub nbd_tls: ClientTls,
    /// What nbdkit can serve, where it is used (`storage_use_nbdkit`) and installed.
    pub nbdkit: Option<Nbdkit>,
    /// `dump_guest_core`.
    pub dump_guest_core: bool,
    /// `log_timestamp`.
    pub log_timestamp: bool,
    /// `seccomp_sandbox`: on unless switched off.
    pub seccomp_sandbox: Option<bool>,
    /// `deprecation_behavior` that goes to `-compat`, if any.
    pub deprecation_behavior: Option<String>,
    /// `set_process_name`, of the same name.
    pub set_process_name: bool,
    /// Largest physical address of the host in bits, for `<maxphysaddr mode='passthrough'/>`.
    pub host_phys_bits: u32,
    /// What the host's own CPU says of itself; none where nothing is started.
    pub host_cpu: Option<Arc<CpuData>>,
    /// The node that renders for guests which name none.
    pub render_node: Option<String>,
}

/// Certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Folder with the certificates.
    pub dir: PathBuf,
    /// Whether the other side must show one.
    pub verify: bool,
    /// UUID of the secret that opens the key.
    pub secret: Option<String>,
}

/// Certificates of connections to servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    /// Whether sources that say nothing of TLS use it.
    pub by_default: bool,
    /// Folder with the certificates.
    pub dir: PathBuf,
    /// UUID of the secret that opens the key.
    pub secret: Option<uuid::Uuid>,
}

impl ClientTls {
    /// The secret that opens the key.
    pub fn key_secret(&self) -> Option<SecretRef> {
        Some(SecretRef {
            kind: Some("tls".to_owned()),
            uuid: Some(self.secret?),
            usage: None,
        })
    }
}

impl Default for ClientTls {
    fn default() -> Self {
        Self {
            by_default: false,
            dir: PathBuf::from("/etc/pki/qemu"),
            secret: None,
        }
    }
}

/// An nbdkit that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nbdkit {
    /// The program.
    pub program: PathBuf,
    /// Whether its `curl` plugin is there.
    pub has_curl: bool,
    /// Whether its `ssh` plugin is there.
    pub has_ssh: bool,
}

impl DriverConfig {
    /// An unconfigured system daemon's.
    pub fn system() -> Self {
        let lib = Path::new("/var/lib/libvirt/qemu");
        Self {
            takes_unmet: false,
            privileged: true,
            host_arch: Arch::host(),
            firmware_dirs: crate::firmware::folders(Path::new("/"), None),
            vhost_user_dirs: crate::vhost_user::folders(Path::new("/")),
            nvram: [
                ("OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd"),
                ("OVMF/OVMF_CODE.secboot.fd", "OVMF/OVMF_VARS.fd"),
                ("AAVMF/AAVMF_CODE.fd", "AAVMF/AAVMF_VARS.fd"),
                ("AAVMF/AAVMF32_CODE.fd", "AAVMF/AAVMF32_VARS.fd"),
            ]
            .map(|(code, vars)| {
                let share = Path::new("/usr/share");
                (share.join(code), share.join(vars))
            })
            .into(),
            lib_dir: lib.to_owned(),
            channel_target_dir: "/run/libvirt/qemu/channel".into(),
            nvram_dir: lib.join("nvram"),
            memory_backing_dir: lib.join("ram"),
            state_dir: "/run/libvirt/qemu".into(),
            page_kib: 4,
            hugetlbfs: Vec::new(),
            vnc_listen: "127.0.0.1".to_owned(),
            vnc_auto_unix_socket: false,
            vnc_tls: None,
            vnc_sasl: false,
            vnc_sasl_dir: None,
            vnc_allow_host_audio: false,
            vnc_password: None,
            nographics_allow_host_audio: false,
            spice_listen: "127.0.0.1".to_owned(),
            spice_auto_unix_socket: false,
            spice_tls: false,
            spice_tls_dir: "/etc/pki/qemu".into(),
            spice_password: None,
            spice_sasl: false,
            spice_sasl_dir: None,
            chardev_tls: false,
            chardev_certificates: Tls {
                dir: "/etc/pki/qemu".into(),
                verify: true,
                secret: None,
            },
            qemu_rdp: false,
            audio_driver: None,
            nbd_tls: ClientTls::default(),
            nbdkit: None,
            dump_guest_core: false,
            log_timestamp: true,
            seccomp_sandbox: None,
            deprecation_behavior: None,
            set_process_name: false,
            host_phys_bits: 0,
            host_cpu: None,
            render_node: None,
        }
    }
}
