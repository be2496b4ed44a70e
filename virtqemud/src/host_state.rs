//! What is learnt of the host once and kept: CPU models, KVM, the helpers that are installed.
//!
//! Nothing is read before somebody asks for it, and what may take a while is read on a thread of
//! its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::capabilities::{Capabilities, HostCapabilities, HostCpu, SecModel};
use virt_host::cpu::{Cpu, CpuMap, Offered};
use virt_host::kvm::Kvm;
use virt_host::{Host, smbios};

use crate::argv::DriverConfig;
use crate::capabilities;
use crate::caps::QemuCaps;
use crate::domcaps::{self, Request, Surroundings};
use crate::emulators;
use crate::firmware;
use crate::probe::Prober;
use crate::qemu_conf::QemuConf;

/// The host as the driver knows it.
#[derive(Debug)]
pub struct HostState {
    host: Arc<Host>,
    uuid: Option<Uuid>,
    firmware_dirs: Vec<PathBuf>,
    loaders: Vec<PathBuf>,
    owner: Option<(u32, u32)>,
    cpu_map: OnceCell<Option<Arc<CpuMap>>>,
    swtpm_versions: OnceCell<Vec<String>>,
}

/// What [`HostState`] is made from.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// Folders of firmware descriptors.
    pub firmware_dirs: Vec<PathBuf>,
    /// Images of firmware that are known without one.
    pub loaders: Vec<PathBuf>,
    /// User and group that guests run as, in system mode.
    pub owner: Option<(u32, u32)>,
    /// The host's UUID when the configuration says it.
    pub uuid: Option<Uuid>,
}

impl HostSettings {
    /// What the driver's configuration says.
    pub fn of(config: &DriverConfig, conf: &QemuConf) -> Self {
        let named = conf.nvram.iter().map(|(code, _)| code.clone());
        let usual = USUAL_LOADERS.iter().map(PathBuf::from);
        Self {
            firmware_dirs: config.firmware_dirs.clone(),
            loaders: match conf.nvram.is_empty() {
                true => usual.collect(),
                false => named.collect(),
            },
            owner: config.privileged.then(|| owner(conf)),
            uuid: None,
        }
    }
}

/// Images that were known before there were descriptors.
const USUAL_LOADERS: &[&str] = &[
    "/usr/share/OVMF/OVMF_CODE.fd",
    "/usr/share/OVMF/OVMF_CODE.secboot.fd",
    "/usr/share/AAVMF/AAVMF_CODE.fd",
    "/usr/share/AAVMF/AAVMF32_CODE.fd",
];

/// Users and groups that distributions run guests as.
const USUAL_OWNERS: &[(&str, &str)] = &[("libvirt-qemu", "libvirt-qemu"), ("qemu", "qemu")];

/// User and group that guests run as. Starting a guest refuses names that the host doesn't know;
/// here they count as root.
fn owner(conf: &QemuConf) -> (u32, u32) {
    let user = |name: &str| {
        let known = nix::unistd::User::from_name(name).ok().flatten();
        known.map(|user| user.uid.as_raw())
    };
    let group = |name: &str| {
        let known = nix::unistd::Group::from_name(name).ok().flatten();
        known.map(|group| group.gid.as_raw())
    };
    let number = |name: &str| name.strip_prefix('+').unwrap_or(name).parse().ok();
    let usual = USUAL_OWNERS
        .iter()
        .find_map(|(name, of)| Some((user(name)?, group(of)?)))
        .unwrap_or_default();
    let said = |name: &Option<String>, find: &dyn Fn(&str) -> Option<u32>| {
        let name = name.as_deref()?;
        Some(find(name).or_else(|| number(name)).unwrap_or(0))
    };
    (
        said(&conf.user, &user).unwrap_or(usual.0),
        said(&conf.group, &group).unwrap_or(usual.1),
    )
}

impl HostState {
    /// The host, of which nothing is read yet.
    pub fn new(host: Arc<Host>, settings: HostSettings) -> Self {
        let tree = host.tree();
        // Where the firmware tells none, the one of the installation.
        let uuid = settings
            .uuid
            .or_else(|| virt_host::uuid::of_firmware(tree))
            .or_else(|| virt_host::uuid::of_machine_id(tree));
        Self {
            uuid,
            host,
            firmware_dirs: settings.firmware_dirs,
            loaders: settings.loaders,
            owner: settings.owner,
            cpu_map: OnceCell::new(),
            swtpm_versions: OnceCell::new(),
        }
    }

    /// The host itself.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The host's UUID.
    pub fn uuid(&self) -> Option<Uuid> {
        self.uuid
    }

    /// The CPU models that are known by name. The first caller has them read (some 10 ms), on a
    /// thread of its own; without them, which is said in the log, CPUs have no names.
    pub async fn cpu_map(&self) -> Option<Arc<CpuMap>> {
        let load = || async {
            let loaded = blocking(|| CpuMap::load(Path::new(CpuMap::FOLDER))).await;
            match loaded {
                Ok(map) => Some(Arc::new(map)),
                Err(error) => {
                    tracing::warn!(%error, "CPUs have no names");
                    None
                }
            }
        };
        self.cpu_map.get_or_init(load).await.clone()
    }

    /// The same, for threads that may block.
    pub fn cpu_map_at_once(&self) -> Option<Arc<CpuMap>> {
        if let Some(map) = self.cpu_map.get() {
            return map.clone();
        }
        match CpuMap::load(Path::new(CpuMap::FOLDER)) {
            Ok(map) => {
                let map = Arc::new(map);
                // Someone else may have been faster; both read the same.
                let _ = self.cpu_map.set(Some(Arc::clone(&map)));
                Some(map)
            }
            Err(error) => {
                tracing::warn!(%error, "CPUs have no names");
                None
            }
        }
    }

    /// The same, for what can't do without.
    ///
    /// # Errors
    /// What is wrong with the files, and the package to install.
    pub async fn required_cpu_map(&self) -> Result<Arc<CpuMap>> {
        match self.cpu_map().await {
            Some(map) => Ok(map),
            // Says again what is wrong.
            None => blocking(|| CpuMap::load(Path::new(CpuMap::FOLDER)))
                .await
                .map(Arc::new),
        }
    }

    /// Versions of TPM that the installed emulator can be.
    async fn swtpm_versions(&self) -> Vec<String> {
        let ask = || async { blocking(|| Ok(swtpm_versions())).await.unwrap_or_default() };
        self.swtpm_versions.get_or_init(ask).await.clone()
    }

    /// The capabilities document. Binaries that were not asked yet are, all at the same time.
    ///
    /// # Errors
    /// When a thread can't be had. A binary that can't be asked is left out, which is logged.
    pub async fn capabilities(&self, prober: &Prober) -> Result<String> {
        let guests = self.guests(prober).await;
        let map = self.cpu_map().await;
        let (host, uuid, models) = (Arc::clone(&self.host), self.uuid, self.security_models());
        blocking(move || {
            let kvm = Kvm::open(Path::new("/dev/kvm"));
            let read = HostCapabilities::read(&host, map.as_deref(), kvm.as_ref(), uuid);
            let document = Capabilities {
                host: HostCapabilities {
                    secmodels: models,
                    ..read
                },
                guests,
            };
            Ok(document.to_xml())
        })
        .await
    }

    async fn guests(&self, prober: &Prober) -> Vec<virt_host::capabilities::Guest> {
        let path = search_path();
        let found: Vec<_> = emulators::ARCHITECTURES
            .iter()
            .filter_map(|arch| {
                let binary = emulators::find(arch, self.host.machine(), &path)?;
                Some((*arch, binary))
            })
            .collect();
        let mut binaries: Vec<_> = found.iter().map(|(_, binary)| binary.clone()).collect();
        binaries.sort();
        binaries.dedup();
        let asked = prober.all(&binaries).await;
        let caps_of = |binary: &PathBuf| {
            let at = binaries.binary_search(binary).ok()?;
            asked[at]
                .as_ref()
                .inspect_err(|error| {
                    tracing::warn!(binary = %binary.display(), %error, "not usable");
                })
                .ok()
        };
        found
            .iter()
            .filter_map(|(arch, binary)| Some(capabilities::guest(caps_of(binary)?, arch)))
            .collect()
    }

    /// The security models of the document.
    fn security_models(&self) -> Vec<SecModel> {
        capabilities::security_models(self.owner)
    }

    /// The binary that a request is about, and what it can do.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED when no binary serves the architecture; what is wrong with the binary.
    pub async fn emulator(&self, prober: &Prober, request: &Request) -> Result<Arc<QemuCaps>> {
        let binary = match &request.emulator {
            Some(path) => PathBuf::from(path),
            None => {
                let native = self.host.machine();
                let arch = match request.arch {
                    Some(arch) => arch.word(),
                    None => native,
                };
                emulators::find(arch, native, &search_path()).ok_or_else(|| {
                    Error::new(
                        ErrorCode::ConfigUnsupported,
                        ErrorDomain::Qemu,
                        format!("unable to find any emulator to serve '{arch}' architecture"),
                    )
                })?
            }
        };
        prober.caps(&binary).await
    }

    /// What of the host shows in documents about its guests.
    ///
    /// # Errors
    /// SYSTEM_ERROR when a folder of firmware descriptors can't be read.
    pub async fn surroundings(&self) -> Result<Surroundings> {
        let cpu_map = self.cpu_map().await;
        let swtpm_versions = self.swtpm_versions().await;
        let (folders, loaders) = (self.firmware_dirs.clone(), self.loaders.clone());
        let host = Arc::clone(&self.host);
        blocking(move || {
            let cpuinfo = host.tree().text("/proc/cpuinfo").unwrap_or_default();
            Ok(Surroundings {
                firmware: firmware::load(&folders)?,
                known_loaders: loaders
                    .iter()
                    .filter(|path| path.exists())
                    .map(|path| path.to_string_lossy().into_owned())
                    .collect(),
                cpu_map,
                swtpm_versions,
                address_bits: virt_host::capabilities::physical_bits(&cpuinfo),
                kvm_max_vcpus: Kvm::open(Path::new("/dev/kvm")).and_then(|kvm| kvm.max_vcpus()),
                qemu_rdp: emulators::in_path("qemu-rdp", &search_path()).is_some(),
                pci_backends: Surroundings::pci_backends(),
                ..Surroundings::default()
            })
        })
        .await
    }

    /// The document about what guests of one kind can have.
    ///
    /// # Errors
    /// As [`Self::emulator`] and [`Request::about`].
    pub async fn domain_capabilities(&self, prober: &Prober, request: &Request) -> Result<String> {
        let caps = self.emulator(prober, request).await?;
        let subject = request.about(&caps)?;
        let surroundings = self.surroundings().await?;
        Ok(domcaps::describe(&subject, &surroundings).to_xml())
    }

    /// The host's CPU, to compare others with.
    ///
    /// # Errors
    /// As [`Self::required_cpu_map`].
    pub async fn cpu(&self) -> Result<Offered> {
        let map = self.required_cpu_map().await?;
        let host = Arc::clone(&self.host);
        blocking(move || {
            let kvm = Kvm::open(Path::new("/dev/kvm"));
            let data = HostCpu::data(&host, kvm.as_ref());
            let cpu = Cpu::of(&map.x86, &data);
            Ok(Offered::of(&map.x86, host.machine(), cpu))
        })
        .await
    }

    /// How many virtual CPUs KVM lets a guest have.
    ///
    /// # Errors
    /// SYSTEM_ERROR when `/dev/kvm` can't be opened, with the system's reason.
    pub async fn kvm_max_vcpus(&self) -> Result<u32> {
        blocking(|| {
            let path = Path::new("/dev/kvm");
            let told = Kvm::open(path).and_then(|kvm| kvm.max_vcpus());
            told.ok_or_else(|| {
                let cause = std::fs::OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(path)
                    .err()
                    .unwrap_or_else(|| std::io::ErrorKind::Unsupported.into());
                let what = format!("Unable to open {}", path.display());
                Error::system(ErrorDomain::None, what, &cause)
            })
        })
        .await
    }

    /// The firmware's description of the host.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED when the firmware gives none.
    pub async fn sysinfo(&self) -> Result<String> {
        let host = Arc::clone(&self.host);
        let read = blocking(move || Ok(smbios::read(host.tree()))).await?;
        read.map(|info| info.to_xml()).ok_or_else(|| {
            Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                "Host SMBIOS information is not available",
            )
        })
    }
}

/// Where programs are looked for.
fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin:/usr/sbin:/sbin".into())
}

/// Runs on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        let detail = format!("work on a thread of its own ended early: {e}");
        Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Qemu,
            detail,
        ))
    })
}

/// Asks `swtpm_setup` (its man page: `--print-capabilities`); older ones are of both versions.
fn swtpm_versions() -> Vec<String> {
    let path = search_path();
    let both = || vec!["1.2".to_owned(), "2.0".to_owned()];
    if emulators::in_path("swtpm", &path).is_none() {
        return Vec::new();
    }
    let Some(setup) = emulators::in_path("swtpm_setup", &path) else {
        return Vec::new();
    };
    let answer = Command::new(setup)
        .arg("--print-capabilities")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let words: Value = answer
        .ok()
        .and_then(|answer| serde_json::from_slice(&answer.stdout).ok())
        .unwrap_or_default();
    let Some(features) = words.get("features").and_then(Value::as_array) else {
        return both();
    };
    let told: Vec<_> = features
        .iter()
        .filter_map(|feature| feature.as_str()?.strip_prefix("tpm-"))
        .map(str::to_owned)
        .collect();
    match told.is_empty() {
        true => both(),
        false => told,
    }
}
