//! `qemu.conf`: the host's choices for all guests (keys as in the shipped file and its Augeas
//! lens).
//!
//! Every key libvirt knows is accepted, so that an operator's file keeps working. A key that asks
//! for a protection we can't give yet is refused; one that merely tunes something is reported as
//! having no effect.

use std::path::PathBuf;

use virt_cgroup::Controller;
use virt_daemon::Paths;
use virt_daemon::conf::{ConfError, Document, Value};
use virt_driver::leases::LockManager;
use virt_driver::logs::Handler;

use crate::save::Format as SaveFormat;

/// What `qemu.conf` says, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuConf {
    /// Who is asked for leases before a guest's processors run.
    pub lock_manager: LockManager,
    /// Where VNC servers listen unless the guest says otherwise.
    pub vnc_listen: String,
    /// VNC on a UNIX socket of our own unless the guest says otherwise.
    pub vnc_auto_unix_socket: bool,
    /// VNC password unless the guest has one.
    pub vnc_password: Option<String>,
    /// Where SPICE servers listen unless the guest says otherwise.
    pub spice_listen: String,
    /// SPICE password unless the guest has one.
    pub spice_password: Option<String>,
    /// Ports given out for VNC and SPICE, both ends included.
    pub display_ports: (u16, u16),
    /// Ports given out for VNC over websockets, both ends included.
    pub websocket_ports: (u16, u16),
    /// QEMU's user: a name, or a number behind a `+`.
    pub user: Option<String>,
    /// QEMU's group, as `user`.
    pub group: Option<String>,
    /// Whether images are given to QEMU's user at start.
    pub dynamic_ownership: bool,
    /// QEMU's own system call filter; `None` leaves it to QEMU's capabilities.
    pub seccomp_sandbox: Option<bool>,
    /// Whether guest start waits between autostarted guests, in milliseconds.
    pub auto_start_delay: u32,
    /// Folder under which file-backed memory is made.
    pub memory_backing_dir: PathBuf,
    /// `hugetlbfs_mount`: the only mounts of huge pages to be used; an empty text for none at all.
    pub hugetlbfs_mount: Option<Vec<String>>,
    /// Firmware images with their variable stores, `CODE:VARS`.
    pub nvram: Vec<(PathBuf, PathBuf)>,
    /// The TPM emulator's user.
    pub swtpm_user: Option<String>,
    /// The TPM emulator's group.
    pub swtpm_group: Option<String>,
    /// QEMU's messages carry the time.
    pub log_timestamp: bool,
    /// Capability flags that are treated as absent.
    pub capability_filters: Vec<String>,
    /// Controllers that guests may be kept by; `None`: all that the host has.
    pub cgroup_controllers: Option<Vec<Controller>>,
    /// Who writes what guests print.
    pub stdio_handler: Handler,
    /// How save images are packed.
    pub save_image_format: SaveFormat,
    /// Keys of the file that have no effect yet, to be told to the operator.
    pub without_effect: Vec<String>,
}

/// Switches that ask for a protection which is not there: refused when on.
const UNMET_SWITCHES: &[&str] = &[
    "vnc_tls",
    "vnc_sasl",
    "vnc_tls_x509_verify",
    "spice_tls",
    "spice_sasl",
    "chardev_tls",
    "chardev_tls_x509_verify",
    "migrate_tls_force",
    "vxhs_tls",
    "nbd_tls",
    "security_require_confined",
];

/// Keys libvirt knows whose effect has not come yet.
const WITHOUT_EFFECT: &[&str] = &[
    "allow_disk_format_probing",
    "auto_dump_bypass_cache",
    "auto_dump_path",
    "auto_save_bypass_cache",
    "auto_shutdown_poweroff",
    "auto_shutdown_restore",
    "auto_shutdown_try_save",
    "auto_shutdown_try_shutdown",
    "auto_shutdown_wait",
    "auto_start_bypass_cache",
    "backup_tls_x509_cert_dir",
    "backup_tls_x509_secret_uuid",
    "backup_tls_x509_verify",
    "bridge_helper",
    "cgroup_device_acl",
    "chardev_tls_x509_cert_dir",
    "chardev_tls_x509_secret_uuid",
    "clear_emulator_capabilities",
    "dbus_daemon",
    "default_tls_x509_cert_dir",
    "default_tls_x509_secret_uuid",
    "default_tls_x509_verify",
    "deprecation_behavior",
    "dump_guest_core",
    "dump_image_format",
    "gluster_debug_level",
    "keepalive_count",
    "keepalive_interval",
    "mac_filter",
    "max_core",
    "max_files",
    "max_processes",
    "max_queued",
    "max_threads_per_process",
    "migrate_tls_x509_cert_dir",
    "migrate_tls_x509_secret_uuid",
    "migrate_tls_x509_verify",
    "migration_address",
    "migration_host",
    "migration_port_max",
    "migration_port_min",
    "namespaces",
    "nbd_tls_x509_cert_dir",
    "nbd_tls_x509_secret_uuid",
    "nographics_allow_host_audio",
    "pr_helper",
    "qemu_rdp",
    "rdp_listen",
    "rdp_password",
    "rdp_tls_x509_cert_dir",
    "rdp_username",
    "relaxed_acs_check",
    "remember_owner",
    "sched_core",
    "security_default_confined",
    "set_process_name",
    "shared_filesystems",
    "slirp_helper",
    "snapshot_image_format",
    "spice_auto_unix_socket",
    "spice_sasl_dir",
    "spice_tls_x509_cert_dir",
    "storage_use_nbdkit",
    "virtiofsd_debug",
    "vnc_allow_host_audio",
    "vnc_sasl_dir",
    "vnc_tls_x509_cert_dir",
    "vnc_tls_x509_secret_uuid",
    "vxhs_tls_x509_cert_dir",
    "vxhs_tls_x509_secret_uuid",
];

impl QemuConf {
    /// Takes every key of the file.
    ///
    /// # Errors
    /// An unknown key, a wrong value, or a protection that can't be given, with file and line.
    pub fn read(mut file: Document, paths: &Paths) -> Result<Self, ConfError> {
        for key in UNMET_SWITCHES {
            let line = file.line(key);
            if file.switch(key)? == Some(true) {
                return Err(file.error(line, format!("'{key}' is not supported yet; set it to 0")));
            }
        }
        refuse_unless_none(&mut file, "security_driver")?;
        let known = [LockManager::Lockd, LockManager::Sanlock];
        let lock_manager = LockManager::configured(&mut file, &known)?;
        let mut conf = Self {
            lock_manager,
            vnc_listen: file
                .text("vnc_listen")?
                .unwrap_or_else(|| "127.0.0.1".to_owned()),
            vnc_auto_unix_socket: file.switch("vnc_auto_unix_socket")?.unwrap_or(false),
            vnc_password: file.text("vnc_password")?,
            spice_listen: file
                .text("spice_listen")?
                .unwrap_or_else(|| "127.0.0.1".to_owned()),
            spice_password: file.text("spice_password")?,
            display_ports: range(&mut file, "remote_display_port", (5900, 65535))?,
            websocket_ports: range(&mut file, "remote_websocket_port", (5700, 65535))?,
            user: file.text("user")?,
            group: file.text("group")?,
            dynamic_ownership: file
                .switch("dynamic_ownership")?
                .unwrap_or(paths.is_system()),
            seccomp_sandbox: sandbox(&mut file)?,
            auto_start_delay: file.number("auto_start_delay")?.unwrap_or(0),
            memory_backing_dir: file.text("memory_backing_dir")?.map_or_else(
                || paths.lib.join("qemu/ram"),
                |dir| paths.below_root(dir.as_ref()),
            ),
            hugetlbfs_mount: file.list("hugetlbfs_mount")?,
            nvram: firmware_pairs(&mut file)?,
            swtpm_user: file.text("swtpm_user")?,
            swtpm_group: file.text("swtpm_group")?,
            log_timestamp: file.switch("log_timestamp")?.unwrap_or(true),
            capability_filters: file.list("capability_filters")?.unwrap_or_default(),
            cgroup_controllers: controllers(&mut file)?,
            stdio_handler: Handler::configured(&mut file)?,
            save_image_format: save_format(&mut file)?,
            without_effect: Vec::new(),
        };
        for key in WITHOUT_EFFECT {
            if file.take(key).is_some() {
                conf.without_effect.push((*key).to_owned());
            }
        }
        file.finish()?;
        Ok(conf)
    }
}

/// A driver named here would be trusted to protect guests; an absent one must not be.
fn refuse_unless_none(file: &mut Document, key: &str) -> Result<(), ConfError> {
    let line = file.line(key);
    let named = file.list(key)?.unwrap_or_default();
    match named.iter().find(|name| *name != "none") {
        None => Ok(()),
        Some(name) => Err(file.error(
            line,
            format!("'{key}': \"{name}\" is not supported yet; remove the key or set \"none\""),
        )),
    }
}

fn range(file: &mut Document, key: &str, default: (u16, u16)) -> Result<(u16, u16), ConfError> {
    let (min_key, max_key) = (format!("{key}_min"), format!("{key}_max"));
    let line = file.line(&min_key).max(file.line(&max_key));
    let min = file.number(&min_key)?.unwrap_or(default.0);
    let max = file.number(&max_key)?.unwrap_or(default.1);
    // libvirt's VNC displays count from port 5900.
    if min > max || (key == "remote_display_port" && min < 5900) {
        return Err(file.error(
            line,
            format!("'{min_key}' {min} to '{max_key}' {max} is no range"),
        ));
    }
    Ok((min, max))
}

fn controllers(file: &mut Document) -> Result<Option<Vec<Controller>>, ConfError> {
    let line = file.line("cgroup_controllers");
    let Some(names) = file.list("cgroup_controllers")? else {
        return Ok(None);
    };
    let found = names.iter().map(|name| {
        let found = Controller::from_name(name).filter(|one| one.holds_guests());
        found.ok_or_else(|| {
            file.error(
                line,
                format!("'cgroup_controllers': \"{name}\" is no controller"),
            )
        })
    });
    found.collect::<Result<_, _>>().map(Some)
}

/// Images with holes ("sparse") are not written yet.
fn save_format(file: &mut Document) -> Result<SaveFormat, ConfError> {
    let line = file.line("save_image_format");
    match file.text("save_image_format")? {
        None => Ok(SaveFormat::Raw),
        Some(word) => SaveFormat::from_word(&word).ok_or_else(|| {
            let words: Vec<&str> = SaveFormat::ALL.iter().map(|format| format.word()).collect();
            let allowed = words.join(", ");
            file.error(
                line,
                format!("'save_image_format' is \"{word}\"; it is one of {allowed}"),
            )
        }),
    }
}

/// -1 leaves it to the QEMU binary.
fn sandbox(file: &mut Document) -> Result<Option<bool>, ConfError> {
    let line = file.line("seccomp_sandbox");
    match file.number::<i64>("seccomp_sandbox")? {
        None | Some(-1) => Ok(None),
        Some(0) => Ok(Some(false)),
        Some(1) => Ok(Some(true)),
        Some(n) => Err(file.error(line, format!("'seccomp_sandbox' is {n}; it is -1, 0 or 1"))),
    }
}

fn firmware_pairs(file: &mut Document) -> Result<Vec<(PathBuf, PathBuf)>, ConfError> {
    let line = file.line("nvram");
    let Some((_, value)) = file.take("nvram") else {
        return Ok(Vec::new());
    };
    let Value::List(list) = value else {
        return Err(file.error(line, "'nvram' has to be a list of texts"));
    };
    list.iter()
        .map(|pair| match pair.split_once(':') {
            Some((code, vars)) if code.starts_with('/') && vars.starts_with('/') => {
                Ok((code.into(), vars.into()))
            }
            _ => Err(file.error(line, format!("'nvram': \"{pair}\" is not \"/CODE:/VARS\""))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> Result<QemuConf, ConfError> {
        let document = Document::parse(Path::new("qemu.conf"), text)?;
        QemuConf::read(document, &Paths::system(Some(Path::new("/t"))))
    }

    #[test]
    fn a_key_without_effect_is_told_and_an_unknown_one_refused() {
        assert_eq!(
            read("max_queued = 3\n").unwrap().without_effect,
            ["max_queued"]
        );
        let text = read("\nmax_quued = 3\n").unwrap_err().to_string();
        assert_eq!(text, "qemu.conf:2: unknown key 'max_quued'");
    }

    #[test]
    fn a_protection_we_do_not_have_is_refused() {
        let manager = |name: &str| {
            Some(
                read(&format!("lock_manager = \"{name}\"\n"))
                    .ok()?
                    .lock_manager,
            )
        };
        assert_eq!(manager("sanlock"), Some(LockManager::Sanlock));
        assert_eq!(manager("lockd"), Some(LockManager::Lockd));
        assert_eq!(manager("nop"), Some(LockManager::None));
        assert_eq!(manager("another"), None);
        assert!(read("security_driver = [ \"selinux\", \"apparmor\" ]\n").is_err());
        assert!(read("security_driver = \"none\"\n").is_ok());
        assert!(read("vnc_tls = 1\n").is_err());
        assert!(read("vnc_tls = 0\n").is_ok());
    }

    #[test]
    fn who_writes_logs_is_named() {
        let handler = |text: &str| read(text).map(|conf| conf.stdio_handler);
        assert_eq!(handler("").unwrap(), Handler::LogdIfThere);
        assert_eq!(
            handler("stdio_handler = \"logd\"\n").unwrap(),
            Handler::Logd
        );
        assert_eq!(
            handler("stdio_handler = \"file\"\n").unwrap(),
            Handler::File
        );
        let error = handler("stdio_handler = \"syslog\"\n").unwrap_err();
        assert!(
            error.to_string().contains("\"logd\" or \"file\""),
            "{error}"
        );
    }

    #[test]
    fn controllers_are_named() {
        let conf = read("cgroup_controllers = [ \"cpu\", \"memory\" ]\n").unwrap();
        let named = [Controller::Cpu, Controller::Memory];
        assert_eq!(conf.cgroup_controllers.as_deref(), Some(&named[..]));
        assert_eq!(read("").unwrap().cgroup_controllers, None);
        assert!(read("cgroup_controllers = [ \"cpus\" ]\n").is_err());
    }

    #[test]
    fn ports_are_a_range() {
        let conf = read("remote_display_port_min = 5950\nremote_display_port_max = 5960\n");
        assert_eq!(conf.unwrap().display_ports, (5950, 5960));
        assert!(read("remote_display_port_min = 80\n").is_err());
    }
}
