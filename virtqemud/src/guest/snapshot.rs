//! What readers see of a guest.

use std::sync::Arc;

use uuid::Uuid;
use virt_domain::Domain;
use virt_driver::consoles::Consoles;
use virt_driver::description::not_running;
use virt_driver::{Definition, Described, Ending, Owners, Shutoff, Size, State};
use virt_error::Result;

use super::taint::Taint;
use crate::caps::QemuCaps;
use crate::process::Process;
use crate::qmp::Monitor;
use crate::qmp::machine::{Cpu, Iothread};

/// A guest at one moment. Replaced whole on every change.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its name; `virsh domrename` changes it.
    pub name: Arc<str>,
    /// Its id while it is active, counted from 1 per host.
    pub id: Option<i32>,
    /// Its state and why.
    pub state: State,
    /// Its persistent definition; a transient guest has none.
    pub definition: Option<Arc<Definition>>,
    /// The running guest; `None` while it is shut off.
    pub live: Option<Arc<Live>>,
    /// Whether it starts with the host.
    pub autostart: bool,
    /// Whether it starts once with the host's next boot.
    pub autostart_once: bool,
    /// Whether a managed save image waits for its next start.
    pub managed_save: bool,
    /// Whether its definition was changed since it was made.
    pub updated: bool,
    /// Who owned it before it was gone.
    pub last_owners: Option<Arc<Owners>>,
}

impl Snapshot {
    /// A guest that was just defined and is shut off.
    pub fn inactive(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            id: None,
            state: State::Shutoff(Shutoff::Unknown),
            definition: None,
            live: None,
            autostart: false,
            autostart_once: false,
            managed_save: false,
            updated: false,
            last_owners: None,
        }
    }

    /// Who its metadata name as its owners: as it runs, else as it will start, else as it last was.
    pub fn owners(&self) -> Owners {
        let owners = match (&self.live, &self.definition) {
            (Some(live), _) => live.domain.metadata.as_ref().map(Owners::of),
            (None, Some(definition)) => definition.summary().owners.as_deref().cloned(),
            (None, None) => self.last_owners.as_deref().cloned(),
        };
        owners.unwrap_or_default()
    }

    /// Whether it has a QEMU.
    pub fn is_active(&self) -> bool {
        self.live.is_some()
    }

    /// The running guest.
    ///
    /// # Errors
    /// OPERATION_INVALID "domain is not running".
    pub fn running(&self) -> Result<&Arc<Live>> {
        self.live.as_ref().ok_or_else(not_running)
    }

    /// How large the guest is: as it runs, else as it will start.
    pub fn size(&self) -> Size {
        let live = self.live.as_ref().map(|live| &*live.domain);
        Size::of(live, self.definition.as_deref())
    }

    /// The guest as shared code looks at it.
    pub fn described(&self) -> Described {
        Described {
            live: self.live.as_ref().map(|live| Arc::clone(&live.domain)),
            definition: self.definition.clone(),
        }
    }
}

/// A running guest as it is now. Cheap to clone with a change.
#[derive(Debug, Clone)]
pub struct Live {
    /// What it is made of, with everything that its start added.
    pub domain: Arc<Domain>,
    /// Its processor as it was asked for.
    pub asked_cpu: Option<Arc<virt_domain::cpu::Cpu>>,
    /// Its QEMU.
    pub qemu: Arc<Qemu>,
    /// Threads of its processors that are on.
    pub vcpus: Arc<[Vcpu]>,
    /// Its I/O threads.
    pub iothreads: Arc<[IothreadThread]>,
    /// What is done to it that nobody supports.
    pub taints: Arc<[Taint]>,
    /// What of it is deprecated, in words.
    pub deprecations: Arc<[String]>,
}

/// One virtual processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vcpu {
    /// Its number in the guest.
    pub index: u32,
    /// The host's thread that runs it; with TCG several may share one.
    pub thread: i32,
}

/// One I/O thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IothreadThread {
    /// Its number in the guest, from 1.
    pub id: u32,
    /// The host's thread.
    pub thread: i32,
}

impl IothreadThread {
    /// That of QEMU's answer; one that is named otherwise than ours is somebody else's.
    pub fn of(thread: &Iothread) -> Option<Self> {
        Some(Self {
            id: thread.id.strip_prefix("iothread")?.parse().ok()?,
            thread: thread.thread_id,
        })
    }
}

impl From<&Cpu> for Vcpu {
    fn from(cpu: &Cpu) -> Self {
        Self {
            index: cpu.cpu_index,
            thread: cpu.thread_id,
        }
    }
}

/// What stays the same as long as a QEMU runs.
#[derive(Debug)]
pub struct Qemu {
    /// The guest.
    pub uuid: Uuid,
    /// The process.
    pub process: Process,
    /// Its monitor. Questions go here at once, from any task; changes go through the guest's actor.
    pub monitor: Monitor,
    /// What the binary can do.
    pub caps: Arc<QemuCaps>,
    /// Its control groups, where it is in some.
    pub groups: Option<Arc<virt_cgroup::Placed>>,
    /// Who has its terminals open.
    pub consoles: Consoles,
    /// The end of the process.
    pub ending: Ending,
}

impl Qemu {
    /// A QEMU that nobody wants to end yet.
    pub fn new(
        uuid: Uuid,
        process: Process,
        monitor: Monitor,
        caps: Arc<QemuCaps>,
        groups: Option<Arc<virt_cgroup::Placed>>,
    ) -> Self {
        Self {
            uuid,
            process,
            monitor,
            caps,
            groups,
            consoles: Consoles::default(),
            ending: Ending::default(),
        }
    }
}
