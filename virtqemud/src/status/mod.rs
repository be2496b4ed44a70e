//! Status files: what a running guest needs to be found again by the next daemon, in libvirt's
//! format (WIRE.md section 26).
//!
//! [`Status`] is the value, pure; the guest's actor writes it after each change.

mod document;

use std::path::PathBuf;
use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::cpu::Cpu;
use virt_driver::State;

use crate::caps::CapFlags;
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
    /// What the binary could do when the guest was started; it may have been replaced since.
    pub flags: CapFlags,
    /// Aliases of the devices QEMU has.
    pub devices: Vec<String>,
    /// The guest's own folder.
    pub lib_dir: PathBuf,
    /// Folder of its channels' sockets.
    pub channel_dir: PathBuf,
    /// Folder of its memory's files.
    pub memory_dir: PathBuf,
    /// Its processor as it was asked for, before its start filled it in.
    pub cpu: Option<Cpu>,
    /// A caller wants it to come back after its next shutdown.
    pub reboot_wanted: bool,
    /// QEMU can restart the machine when the guest shuts down.
    pub allow_reboot: Option<bool>,
    /// Number of the last block node that was named.
    pub node_index: u32,
    /// Number of the next set of descriptors.
    pub fdset_index: u32,
}
