//! What stands in for the host and its configuration.

use super::arguments::Arguments;
use super::transcript;
use crate::argv::{ClientTls, DiskGroup, DriverConfig, Nbdkit, Tls};
use crate::caps::{CapFlag, CpuProperty, CpuValue, Gic, HostCpu, QemuCaps};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use virt_domain::Arch;
use virt_host::cpu::map::CpuMap;

pub(super) struct Settings {
    pub(super) host_arch: Arch,
    pub(super) inactive: bool,
    pub(super) abi_update: bool,
    pub(super) config: DriverConfig,
    pub(super) environment: Vec<(String, String)>,
    pub(super) incoming: Option<String>,
    pub(super) fixtures: PathBuf,
    /// All of them as they are.
    pub(super) json: Value,
    pub(super) fd_groups: HashMap<String, DiskGroup>,
    pub(super) vdpa_fds: HashMap<String, i32>,
    strip_aliases: bool,
    /// The definition that stands for the host's CPU instead of what the transcript says.
    host_cpu: Option<String>,
    gic: Option<Vec<u32>>,
    caps_add: Vec<String>,
    caps_del: Vec<String>,
}

impl Settings {
    pub(super) fn load(arguments: &Arguments) -> Result<Self, String> {
        let json: Value = match &arguments.settings {
            None => Value::Null,
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
                serde_json::from_str(&text).map_err(|e| e.to_string())?
            }
        };
        let flag = |key: &str| json.get(key).and_then(Value::as_bool).unwrap_or(false);
        let names = |key: &str| {
            let list = json.get(key).and_then(Value::as_array);
            list.into_iter()
                .flatten()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        let arch = |key: &str| {
            json.get(key)
                .and_then(Value::as_str)
                .and_then(Arch::from_word)
        };
        let fixtures = arguments.fixtures.clone().unwrap_or_default();
        let host_arch = arguments
            .arch
            .as_deref()
            .and_then(Arch::from_word)
            .or_else(|| arch("host_arch"))
            .unwrap_or_default();
        let mut environment: Vec<(String, String)> = [
            ("PATH", "/bin"),
            ("USER", "test"),
            ("LOGNAME", "test"),
            ("HOME", "/home/test"),
            ("LC_ALL", "C"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        for (key, value) in json
            .get("environ")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            environment.push((key.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
        let incoming = json.get("incoming").and_then(|incoming| {
            let from = incoming.get("from")?.as_str()?;
            Some(match incoming.get("fd").and_then(Value::as_i64) {
                Some(fd) if from == "stdio" => format!("fd:{fd}"),
                _ => from.to_owned(),
            })
        });
        Ok(Self {
            host_arch,
            inactive: flag("inactive"),
            abi_update: flag("abi_update"),
            config: DriverConfig {
                audio_driver: environment
                    .iter()
                    .find(|(name, _)| name == "QEMU_AUDIO_DRV")
                    .map(|(_, value)| value.clone()),
                ..config(
                    json.get("qemu_conf").unwrap_or(&Value::Null),
                    &fixtures,
                    host_arch,
                    &names("nbdkit_plugins"),
                )
            },
            environment,
            incoming,
            fixtures,
            fd_groups: fd_groups(&json),
            vdpa_fds: json
                .get("vdpa_fds")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(path, fd)| Some((path.clone(), number(fd)?)))
                .collect(),
            host_cpu: json
                .get("host_cpu")
                .and_then(Value::as_str)
                .filter(|name| *name != "default" && host_arch.is_x86())
                .map(str::to_owned),
            strip_aliases: flag("strip_machine_aliases"),
            gic: match json.get("gic").and_then(Value::as_str) {
                Some("v2") => Some(vec![2]),
                Some("v3") => Some(vec![3]),
                Some("both") => Some(vec![2, 3]),
                _ => None,
            },
            caps_add: names("caps_add"),
            caps_del: names("caps_del"),
            json,
        })
    }

    /// The capabilities of the transcript, as those of `emulator`.
    pub(super) fn caps(
        &self,
        arguments: &Arguments,
        emulator: Option<&str>,
    ) -> Result<QemuCaps, String> {
        let path = arguments.caps.as_deref().ok_or("--caps is missing")?;
        let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
        let sessions = transcript::sessions(&text)?;
        let main = sessions.first().ok_or("an empty transcript")?;
        let hvf = path.to_string_lossy().contains("+hvf");
        let mut caps =
            QemuCaps::from_sessions(emulator.unwrap_or_default(), main, sessions.get(1), hvf)
                .map_err(|e| e.message().to_owned())?;
        for (names, present) in [(&self.caps_add, true), (&self.caps_del, false)] {
            for name in names {
                let flag =
                    CapFlag::from_name(name).ok_or_else(|| format!("no capability {name}"))?;
                caps.flags.set(flag, present);
            }
        }
        if let Some(named) = &self.host_cpu {
            let host = host_cpu(named, &self.fixtures)?;
            for accel in &mut caps.accels {
                accel.host_cpu = Some(host.clone());
            }
        }
        if let Some(versions) = &self.gic {
            caps.gic = versions
                .iter()
                .map(|version| Gic {
                    version: *version,
                    kernel: true,
                    emulated: true,
                })
                .collect();
        }
        if self.strip_aliases {
            caps.forget_machine_aliases();
        }
        Ok(caps)
    }
}

fn number(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|number| number.try_into().ok())
}

/// Descriptors that a client handed over for disks.
fn fd_groups(json: &Value) -> HashMap<String, DiskGroup> {
    let groups = json.get("fd_groups").and_then(Value::as_array);
    let group = |group: &Value| {
        let descriptors = group.get("fds")?.as_array()?.iter().filter_map(number);
        let opened = DiskGroup {
            descriptors: descriptors.collect(),
            writable: group.get("writable").and_then(Value::as_bool) == Some(true),
        };
        Some((group.get("name")?.as_str()?.to_owned(), opened))
    };
    groups.into_iter().flatten().filter_map(group).collect()
}

fn config(conf: &Value, fixtures: &Path, host_arch: Arch, plugins: &[String]) -> DriverConfig {
    let on = |key: &str| conf.get(key).and_then(Value::as_i64) == Some(1);
    let secret = |key: &str| conf.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut config = DriverConfig::system();
    config.takes_unmet = true;
    config.channel_target_dir = "/var/run/libvirt/qemu/channel".into();
    config.state_dir = "/var/run/libvirt/qemu".into();
    config.hugetlbfs = vec![
        (2048, "/dev/hugepages2M".into()),
        (1024 * 1024, "/dev/hugepages1G".into()),
    ];
    config.spice_password = Some("123456".to_owned());
    config.host_phys_bits = if host_arch == Arch::S390x { 0 } else { 64 };
    config.render_node = Some("/dev/dri/foo".to_owned());
    config.host_arch = host_arch;
    config.firmware_dirs = crate::firmware::folders(&fixtures.join("root"), None);
    config.vnc_auto_unix_socket = on("vnc_auto_unix_socket");
    config.vnc_sasl = on("vnc_sasl");
    config.vnc_tls = on("vnc_tls").then(|| Tls {
        dir: "/etc/pki/libvirt-vnc".into(),
        verify: on("vnc_tls_x509_verify"),
        secret: secret("vnc_tls_x509_secret_uuid"),
    });
    config.nographics_allow_host_audio = on("nographics_allow_host_audio");
    config.spice_tls = on("spice_tls");
    config.spice_tls_dir = "/etc/pki/libvirt-spice".into();
    config.spice_sasl = on("spice_sasl");
    config.vnc_sasl_dir = Some("/etc/sasl2".into());
    config.spice_sasl_dir = Some("/etc/sasl2".into());
    config.vnc_allow_host_audio = on("vnc_allow_host_audio");
    config.vnc_password = secret("vnc_password");
    config.qemu_rdp = true;
    config.spice_auto_unix_socket = on("spice_auto_unix_socket");
    config.chardev_tls = on("chardev_tls");
    config.chardev_certificates = Tls {
        dir: "/etc/pki/libvirt-chardev".into(),
        verify: on("chardev_tls_x509_verify"),
        secret: secret("chardev_tls_x509_secret_uuid"),
    };
    config.nbd_tls = ClientTls {
        by_default: on("nbd_tls"),
        dir: secret("nbd_tls_x509_cert_dir")
            .unwrap_or_else(|| "/etc/pki/libvirt-nbd".to_owned())
            .into(),
        secret: secret("nbd_tls_x509_secret_uuid").and_then(|uuid| uuid.parse().ok()),
    };
    config.nbdkit = on("storage_use_nbdkit").then(|| Nbdkit {
        program: "/fakebindir/nbdkit".into(),
        has_curl: plugins.iter().any(|name| name == "curl"),
        has_ssh: plugins.iter().any(|name| name == "ssh"),
    });
    config
}

/// A CPU of the fixtures as a QEMU would describe it that names the model itself.
fn host_cpu(name: &str, fixtures: &Path) -> Result<HostCpu, String> {
    let text = std::fs::read_to_string(fixtures.join("host.json")).map_err(|e| e.to_string())?;
    let json: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let map = CpuMap::load(Path::new(CpuMap::FOLDER)).map_err(|e| e.message().to_owned())?;
    if map.x86.model(name).is_none() {
        return Err(format!("no CPU model {name}"));
    }
    let extra = json
        .get("cpu")
        .and_then(|cpu| cpu.get(name)?.get("features")?.as_array());
    let extra = extra.into_iter().flatten().filter_map(Value::as_str);
    let property = |name: &str, value: CpuValue| CpuProperty {
        name: name.to_owned(),
        value,
        migratable: None,
    };
    // These two are no features of a guest's CPU.
    let of_hosts = ["osxsave", "cmt"];
    let properties = extra
        .filter(|name| !of_hosts.contains(name))
        .map(|name| property(name, CpuValue::Flag(true)))
        .collect();
    Ok(HostCpu {
        model: name.to_owned(),
        properties,
        migratability: true,
    })
}
