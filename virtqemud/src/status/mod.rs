//! Status files: what a running guest needs to be found again by the next daemon, in libvirt's
//! format (WIRE.md section 26; files of the stock daemon).
//!
//! [`Status`] is the value, pure; the guest's actor writes it after each change. Whatever a file
//! says is read and written back, so that a guest passes from one daemon to the other and back.

mod block_job;
mod document;
mod flags;
mod job;
mod nodes;
mod upgrade;

use std::path::PathBuf;
use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::cpu::Cpu;
use virt_driver::State;
use virt_xml::Tree;

pub use block_job::{BlockJob, BlockJobDisk, BlockJobs};
pub use document::Numad;
pub use flags::Flags;
pub use job::{Bitmap, Bitmaps, Job, JobDisk, MigrationSource, Parameter, Parameters};
pub(crate) use nodes::{note as note_nodes, note_disk, qom_path};

use crate::guest::{Taint, Vcpu};

/// A running guest as its status file tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Its state.
    pub state: State,
    /// QEMU's process.
    pub pid: i32,
    /// What is done to it that nobody supports.
    pub taints: Vec<Taint>,
    /// What of it is deprecated, in words.
    pub deprecations: Vec<String>,
    /// Threads of its processors.
    pub vcpus: Vec<Vcpu>,
    /// What only the daemon needs to know.
    pub kept: Kept,
    /// What it is made of, passwords included.
    pub domain: Arc<Domain>,
}

/// What of a running guest only the daemon needs to know.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Kept {
    /// QEMU's monitor socket.
    pub monitor: PathBuf,
    /// The message bus of its helpers; another daemon's.
    pub dbus_daemon: Option<Tree>,
    /// Helpers whose state goes with the guest; another daemon's.
    pub dbus_vm_state: Vec<Tree>,
    /// Whether QEMU has a mount namespace of its own.
    pub namespaces: bool,
    /// What the binary could do when the guest was started; it may have been replaced since.
    pub flags: Flags,
    /// What the lock manager keeps.
    pub lock_state: Option<String>,
    /// What is being done at length.
    pub job: Option<Job>,
    /// A caller wants it to come back after its next shutdown.
    pub reboot_wanted: bool,
    /// Aliases of the devices QEMU has.
    pub devices: Vec<String>,
    /// Where it was placed automatically.
    pub numad: Option<Numad>,
    /// The guest's own folder.
    pub lib_dir: PathBuf,
    /// Folder of its channels' sockets.
    pub channel_dir: PathBuf,
    /// Folder of its memory's files.
    pub memory_dir: PathBuf,
    /// Its processor as it was asked for, before its start filled it in.
    pub cpu: Option<Arc<Cpu>>,
    /// Whether virtlogd writes its character devices' files.
    pub logs_through_logd: bool,
    /// Whether owners of its files are remembered.
    pub remembers_owners: bool,
    /// QEMU can restart the machine when the guest shuts down.
    pub allow_reboot: Option<bool>,
    /// Whether it has a helper for persistent reservations.
    pub pr_daemon: bool,
    /// Number of the last block node that was named.
    pub node_index: u32,
    /// Number of the next set of descriptors.
    pub fdset_index: u32,
    /// Whether QEMU allocates memory ahead in threads.
    pub mem_prealloc: bool,
    /// What QEMU does to its disks at length.
    pub block_jobs: BlockJobs,
    /// What its slirp helper can do; another daemon's.
    pub slirp: Option<Tree>,
    /// Seconds the agent may take; -2 for ever, -1 as configured, 0 none.
    pub agent_timeout: Option<i32>,
    /// Backups that run.
    pub backups: Option<Tree>,
    /// Bytes QEMU could lock before the daemon raised that.
    pub original_memlock: Option<u64>,
    /// The same before a migration did.
    pub memlock_before_migration: Option<u64>,
    /// What another version keeps.
    pub others: Vec<Tree>,
}
