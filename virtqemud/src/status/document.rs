//! A status file's text: its elements in libvirt's order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::cpu::Cpu;
use virt_driver::State;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Tree, Writer, YesNo};

use super::block_job::BlockJobs;
use super::flags::Flags;
use super::job::Job;
use super::{Kept, Status};
use crate::guest::{Taint, Vcpu};

/// `<domstatus>` without its guest.
#[derive(Debug, Clone, PartialEq, Element)]
struct Document {
    #[xml(attr)]
    state: String,
    #[xml(attr)]
    reason: String,
    #[xml(attr)]
    pid: i32,
    #[xml(child = "taint")]
    taints: Vec<TaintFlag>,
    #[xml(child_text = "deprecation")]
    deprecations: Vec<String>,
    #[xml(child)]
    monitor: Monitor,
    #[xml(raw = "dbusDaemon")]
    dbus_daemon: Option<Tree>,
    #[xml(raw = "dbusVMState")]
    dbus_vm_state: Vec<Tree>,
    #[xml(child)]
    namespaces: Option<Namespaces>,
    #[xml(child)]
    vcpus: Option<Vcpus>,
    #[xml(child = "qemuCaps")]
    flags: Option<Flags>,
    #[xml(child_text)]
    lockstate: Option<String>,
    #[xml(child)]
    job: Option<Job>,
    #[xml(flag = "fakereboot")]
    fake_reboot: bool,
    #[xml(child)]
    devices: Option<Devices>,
    #[xml(child)]
    numad: Option<Numad>,
    #[xml(child = "libDir")]
    lib_dir: Option<Folder>,
    #[xml(child = "channelTargetDir")]
    channel_dir: Option<Folder>,
    #[xml(child = "memoryBackingDir")]
    memory_dir: Option<Folder>,
    #[xml(child)]
    cpu: Option<Cpu>,
    #[xml(flag = "chardevStdioLogd")]
    logs_through_logd: bool,
    #[xml(flag = "rememberOwner")]
    remembers_owners: bool,
    #[xml(child = "allowReboot")]
    allow_reboot: Option<AllowReboot>,
    #[xml(flag = "prDaemon")]
    pr_daemon: bool,
    #[xml(child)]
    nodename: Option<Index>,
    #[xml(child)]
    fdset: Option<Index>,
    #[xml(flag = "memPrealloc")]
    mem_prealloc: bool,
    #[xml(child)]
    blockjobs: Option<BlockJobs>,
    #[xml(raw)]
    slirp: Option<Tree>,
    #[xml(child_text = "agentTimeout")]
    agent_timeout: Option<i32>,
    #[xml(raw)]
    backups: Option<Tree>,
    #[xml(child_text = "originalMemlock")]
    original_memlock: Option<u64>,
    #[xml(child_text = "preMigrationMemlock")]
    memlock_before_migration: Option<u64>,
    #[xml(flatten)]
    rest: Rest,
}

/// What this version doesn't know, and the guest behind all.
#[derive(Debug, Clone, PartialEq)]
struct Rest {
    others: Vec<Tree>,
    domain: Option<Arc<Domain>>,
}

impl Element for Rest {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let domain = node.child::<Domain>("domain")?;
        Ok(Self {
            others: node.rest(),
            domain: domain.map(Arc::new),
        })
    }

    fn attrs(&self, _: &mut Tag<'_>) {}

    fn content(&self, out: &mut Writer) {
        for other in &self.others {
            out.tree(other);
        }
        out.maybe("domain", self.domain.as_deref());
    }
}

#[derive(Debug, Clone, PartialEq, Element)]
struct TaintFlag {
    #[xml(attr)]
    flag: String,
}

#[derive(Debug, Clone, PartialEq, Element)]
struct Monitor {
    #[xml(attr)]
    path: String,
    #[xml(attr = "type")]
    kind: String,
}

/// Namespaces that QEMU runs in.
#[derive(Debug, Clone, PartialEq, Element)]
struct Namespaces {
    #[xml(flag)]
    mount: bool,
    #[xml(rest)]
    others: Vec<Tree>,
}

#[derive(Debug, Clone, PartialEq, Element)]
struct Vcpus {
    #[xml(child = "vcpu")]
    list: Vec<VcpuThread>,
}

#[derive(Debug, Clone, PartialEq, Element)]
struct VcpuThread {
    #[xml(attr)]
    id: u32,
    #[xml(attr)]
    pid: i32,
}

#[derive(Debug, Clone, PartialEq, Element)]
struct Devices {
    #[xml(child = "device")]
    list: Vec<Device>,
}

#[derive(Debug, Clone, PartialEq, Element)]
struct Device {
    #[xml(attr)]
    alias: String,
}

/// Where memory was placed automatically.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Numad {
    /// Nodes of the host.
    #[xml(attr)]
    pub nodeset: Option<String>,
    /// Processors of the host.
    #[xml(attr)]
    pub cpuset: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Element)]
struct Folder {
    #[xml(attr)]
    path: String,
}

impl Folder {
    fn of(path: &Path) -> Option<Self> {
        let path = path.to_string_lossy().into_owned();
        (!path.is_empty()).then_some(Self { path })
    }
}

#[derive(Debug, Clone, PartialEq, Element)]
struct AllowReboot {
    #[xml(attr)]
    value: YesNo,
}

#[derive(Debug, Clone, Copy, PartialEq, Element)]
struct Index {
    #[xml(attr)]
    index: u32,
}

/// What clients set for the agent unless they set anything: it may take as long as it likes.
const AGENT_TIMEOUT: i32 = -2;

fn bad(detail: String) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, detail)
}

impl Status {
    /// The file's text, without the warning on top.
    pub fn to_xml(&self) -> String {
        let mut out = Writer::of_driver();
        out.element("domstatus", &self.document());
        out.finish()
    }

    fn document(&self) -> Document {
        let (state, reason) = self.state.words();
        let kept = &self.kept;
        let vcpus = self.vcpus.iter().map(|vcpu| VcpuThread {
            id: vcpu.index,
            pid: vcpu.thread,
        });
        let devices = kept.devices.iter().map(|alias| Device {
            alias: alias.clone(),
        });
        Document {
            state: state.to_owned(),
            reason: reason.to_owned(),
            pid: self.pid,
            taints: self
                .taints
                .iter()
                .map(|taint| TaintFlag {
                    flag: taint.word().to_owned(),
                })
                .collect(),
            deprecations: self.deprecations.clone(),
            monitor: Monitor {
                path: kept.monitor.to_string_lossy().into_owned(),
                kind: "unix".to_owned(),
            },
            dbus_daemon: kept.dbus_daemon.clone(),
            dbus_vm_state: kept.dbus_vm_state.clone(),
            namespaces: kept.namespaces.then(|| Namespaces {
                mount: true,
                others: Vec::new(),
            }),
            vcpus: (!self.vcpus.is_empty()).then(|| Vcpus {
                list: vcpus.collect(),
            }),
            flags: Some(kept.flags.clone()).filter(|flags| !flags.is_empty()),
            lockstate: kept.lock_state.clone(),
            job: kept.job.clone(),
            fake_reboot: kept.reboot_wanted,
            devices: (!kept.devices.is_empty()).then(|| Devices {
                list: devices.collect(),
            }),
            numad: kept.numad.clone(),
            lib_dir: Folder::of(&kept.lib_dir),
            channel_dir: Folder::of(&kept.channel_dir),
            memory_dir: Folder::of(&kept.memory_dir),
            cpu: kept.cpu.as_deref().cloned(),
            logs_through_logd: kept.logs_through_logd,
            remembers_owners: kept.remembers_owners,
            allow_reboot: kept.allow_reboot.map(|allow| AllowReboot {
                value: allow.into(),
            }),
            pr_daemon: kept.pr_daemon,
            nodename: Some(Index {
                index: kept.node_index,
            }),
            fdset: Some(Index {
                index: kept.fdset_index,
            }),
            mem_prealloc: kept.mem_prealloc,
            blockjobs: Some(kept.block_jobs.clone()),
            slirp: kept.slirp.clone(),
            agent_timeout: Some(kept.agent_timeout.unwrap_or(AGENT_TIMEOUT)),
            backups: kept.backups.clone(),
            original_memlock: kept.original_memlock,
            memlock_before_migration: kept.memlock_before_migration,
            rest: Rest {
                others: kept.others.clone(),
                domain: Some(Arc::clone(&self.domain)),
            },
        }
    }

    /// Reads a status file, libvirt's or ours. What is not known of it is kept where it can be.
    ///
    /// # Errors
    /// XML_ERROR when it is none, or lacks what a takeover needs.
    pub fn read(text: &str) -> Result<Self> {
        let tree = virt_xml::parse(text)?;
        if tree.name != "domstatus" {
            return Err(bad(format!(
                "expecting root element of 'domstatus', not '{}'",
                tree.name
            )));
        }
        let (document, unknown) = virt_xml::read_of_driver::<Document>(&tree)?;
        for unknown in unknown {
            tracing::warn!("{unknown} of a status file is not known and not kept");
        }
        Self::of(document)
    }

    fn of(document: Document) -> Result<Self> {
        let state = State::from_words(&document.state, &document.reason)
            .ok_or_else(|| bad(format!("invalid domain state '{}'", document.state)))?;
        if document.monitor.kind != "unix" {
            return Err(bad("no monitor of type 'unix'".to_owned()));
        }
        let no_domain = || bad("no domain config".to_owned());
        let mut domain = document.rest.domain.ok_or_else(no_domain)?;
        // What it finds wrong runs all the same.
        if let Err(error) = Arc::make_mut(&mut domain).settle(virt_domain::random) {
            tracing::warn!(guest = %domain.name, %error, "the running guest is not as it should be");
        }
        let folder = |folder: Option<Folder>| {
            folder.map_or_else(PathBuf::new, |folder| PathBuf::from(folder.path))
        };
        let index = |index: Option<Index>| index.map_or(0, |index| index.index);
        let vcpus = document.vcpus.into_iter().flat_map(|vcpus| vcpus.list);
        let devices = document.devices.into_iter().flat_map(|all| all.list);
        Ok(Self {
            state,
            pid: document.pid,
            taints: document
                .taints
                .iter()
                .filter_map(|taint| Taint::from_word(&taint.flag))
                .collect(),
            deprecations: document.deprecations,
            vcpus: vcpus
                .map(|vcpu| Vcpu {
                    index: vcpu.id,
                    thread: vcpu.pid,
                })
                .collect(),
            kept: Kept {
                monitor: document.monitor.path.into(),
                dbus_daemon: document.dbus_daemon,
                dbus_vm_state: document.dbus_vm_state,
                namespaces: document.namespaces.is_some_and(|n| n.mount),
                flags: document.flags.unwrap_or_default(),
                lock_state: document.lockstate,
                job: document.job,
                devices: devices.map(|device| device.alias).collect(),
                numad: document.numad,
                lib_dir: folder(document.lib_dir),
                channel_dir: folder(document.channel_dir),
                memory_dir: folder(document.memory_dir),
                cpu: document.cpu.map(Arc::new),
                logs_through_logd: document.logs_through_logd,
                remembers_owners: document.remembers_owners,
                reboot_wanted: document.fake_reboot,
                allow_reboot: document.allow_reboot.map(|allow| allow.value.is_yes()),
                pr_daemon: document.pr_daemon,
                node_index: index(document.nodename),
                fdset_index: index(document.fdset),
                mem_prealloc: document.mem_prealloc,
                block_jobs: document.blockjobs.unwrap_or_default(),
                slirp: document.slirp,
                agent_timeout: document.agent_timeout,
                backups: document.backups,
                original_memlock: document.original_memlock,
                memlock_before_migration: document.memlock_before_migration,
                others: document.rest.others,
            },
            domain,
        })
    }
}
