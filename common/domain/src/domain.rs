//! The root of the model.

use crate::arch::VirtType;
use crate::blkiotune::{Blkiotune, ThrottleGroups};
use crate::clock::Clock;
use crate::cpu::Cpu;
use crate::cputune::Cputune;
use crate::devices::Devices;
use crate::devices::memory::MemoryModel;
use crate::features::Features;
use crate::lifecycle::{LifecycleAction, LockFailureAction};
use crate::memory::{MaxMemory, Memory, MemoryBacking, Memtune};
use crate::namespace::{LxcNamespace, QemuExtras};
use crate::numatune::Numatune;
use crate::os::Os;
use crate::resource::{Idmap, Perf, Pm, Resource};
use crate::scaled::KiB;
use crate::seclabel::{Keywrap, LaunchSecurity, Seclabel};
use crate::sysinfo::Sysinfo;
use crate::vcpu::{DefaultIothread, Iothread, IothreadIds, Vcpu, Vcpus};
use crate::view::View;
use std::borrow::Cow;
use std::collections::HashSet;
use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Tree, Unknown};

/// `<domain>`, its parts in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Domain {
    /// What runs it.
    pub virt_type: VirtType,
    /// Its number while it runs.
    pub id: Option<i32>,
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// What changes when it goes back in time.
    pub genid: Option<Uuid>,
    /// A title for people.
    pub title: Option<String>,
    /// A description for people.
    pub description: Option<String>,
    /// What others keep with it.
    pub metadata: Option<Tree>,
    /// Up to where memory can be plugged in.
    pub max_memory: Option<MaxMemory>,
    /// Memory at start, memory devices included.
    pub memory: Memory,
    /// What the balloon leaves of it.
    pub current_memory: KiB,
    /// What was written as such, before it was limited to [`Self::memory`]; nothing is 0. Not written.
    pub asked_memory: KiB,
    /// Limits on block devices.
    pub blkiotune: Option<Blkiotune>,
    /// Limits on memory.
    pub memtune: Option<Memtune>,
    /// Where memory comes from.
    pub memory_backing: Option<MemoryBacking>,
    /// Virtual CPUs.
    pub vcpu: Vcpu,
    /// Virtual CPUs one by one.
    pub vcpus: Option<Vcpus>,
    /// Number of I/O threads; see [`Domain::iothread_ids`] for all of them.
    pub iothreads: Option<u32>,
    /// I/O threads that are named.
    pub iothreadids: Option<IothreadIds>,
    /// QEMU's own loop.
    pub defaultiothread: Option<DefaultIothread>,
    /// Limits that disks share.
    pub throttlegroups: Option<ThrottleGroups>,
    /// Which host CPUs run what.
    pub cputune: Option<Cputune>,
    /// Which host nodes memory comes from.
    pub numatune: Option<Numatune>,
    /// Where it stands among the host's groups.
    pub resource: Option<Resource>,
    /// What the guest reads of itself.
    pub sysinfo: Vec<Sysinfo>,
    /// Xen: its boot loader.
    pub bootloader: Option<String>,
    /// Xen: arguments of that.
    pub bootloader_args: Option<String>,
    /// What it boots.
    pub os: Os,
    /// Users of a container.
    pub idmap: Option<Idmap>,
    /// Features of the machine.
    pub features: Option<Features>,
    /// Its processors.
    pub cpu: Option<Cpu>,
    /// Its clock.
    pub clock: Clock,
    /// What happens when it powers off; `destroy` unless said.
    pub on_poweroff: Option<LifecycleAction>,
    /// What happens when it reboots; `restart` unless said.
    pub on_reboot: Option<LifecycleAction>,
    /// What happens when it crashes; `destroy` unless said.
    pub on_crash: Option<LifecycleAction>,
    /// What happens when a lock is lost.
    pub on_lockfailure: Option<LockFailureAction>,
    /// Its sleep states.
    pub pm: Option<Pm>,
    /// Performance counters.
    pub perf: Option<Perf>,
    /// What it is made of.
    pub devices: Devices,
    /// Security labels.
    pub seclabels: Vec<Seclabel>,
    /// What QEMU is handed unseen.
    pub qemu: QemuExtras,
    /// Namespaces a container shares.
    pub lxc: Option<LxcNamespace>,
    /// Keys that are wrapped.
    pub keywrap: Option<Keywrap>,
    /// Encryption of the guest.
    pub launch_security: Option<LaunchSecurity>,
}

impl Domain {
    /// Reads a definition. What is unknown in it is refused by name; a missing UUID is made up.
    ///
    /// # Errors
    /// XML_DETAIL for what is no XML, XML_ERROR and others for what is no guest, CONFIG_UNSUPPORTED
    /// for what is unknown.
    pub fn read(xml: &str) -> Result<Self> {
        Self::read_with(xml, random)
    }

    /// As [`Domain::read`]; `random` fills a buffer with random bytes.
    ///
    /// # Errors
    /// As [`Domain::read`].
    pub fn read_with(xml: &str, random: fn(&mut [u8])) -> Result<Self> {
        let (domain, unknown) = Self::read_lenient(xml, random)?;
        refuse_unknown(&unknown)?;
        Ok(domain)
    }

    /// As [`Domain::read_with`], with what is unknown reported instead of refused: for what was
    /// stored by someone else.
    ///
    /// # Errors
    /// As [`Domain::read`].
    pub fn read_lenient(xml: &str, random: fn(&mut [u8])) -> Result<(Self, Vec<Unknown>)> {
        let (mut domain, unknown) = virt_xml::read_named::<Self>("domain", xml)?;
        domain.settle(random)?;
        Ok((domain, unknown))
    }

    /// The definition as a document.
    pub fn to_xml(&self, view: View) -> String {
        virt_xml::write("domain", &*self.shown(view))
    }

    /// What of the definition is shown.
    pub(crate) fn shown(&self, view: View) -> Cow<'_, Self> {
        let mut shown = Cow::Borrowed(self);
        if view.inactive {
            let inactive = shown.to_mut();
            inactive.id = None;
            inactive.devices.hide_running();
        }
        if !view.secure && self.devices.has_secrets() {
            shown.to_mut().devices.hide_secrets();
        }
        if shown.devices.has_actuals() {
            shown.to_mut().devices.show_actuals();
        }
        shown
    }

    /// Memory at start without that of memory devices: the nodes', or what is left of the whole.
    pub fn initial_memory(&self) -> KiB {
        let numa = self.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
        if let Some(size) = numa.map(|numa| numa.memory()).filter(|size| size.0 > 0) {
            return size;
        }
        KiB(self.memory.size.0.saturating_sub(self.plugged_memory().0))
    }

    /// Memory of memory devices. That of enclaves is no memory the guest could use as such.
    pub fn plugged_memory(&self) -> KiB {
        let memories = self.devices.memories.iter();
        let sizes = memories
            .filter(|memory| memory.model != MemoryModel::SgxEpc)
            .map(|memory| memory.target.size.0);
        KiB(sizes.fold(0u64, u64::saturating_add))
    }

    /// All I/O threads: those that are named, then as many more as are counted.
    pub fn iothread_ids(&self) -> Vec<Iothread> {
        let named = self.iothreadids.iter().flat_map(|ids| &ids.list);
        let mut threads: Vec<Iothread> = named.cloned().collect();
        let taken: HashSet<u32> = threads.iter().map(|thread| thread.id).collect();
        let count = self.iothreads.unwrap_or(0) as usize;
        let missing = count.saturating_sub(threads.len());
        let free = (1..=u32::MAX).filter(|id| !taken.contains(id));
        threads.extend(free.take(missing).map(|id| Iothread {
            id,
            ..Iothread::default()
        }));
        threads
    }

    /// Strips what only a running guest has.
    pub fn inactive(&mut self) {
        self.id = None;
        self.devices.inactive();
        for seclabel in &mut self.seclabels {
            seclabel.inactive();
        }
    }
}

/// Refuses what a document has that the model does not know.
pub(crate) fn refuse_unknown(unknown: &[Unknown]) -> Result<()> {
    match unknown.first() {
        None => Ok(()),
        Some(unknown) => Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Domain,
            format!("unknown {unknown}; remove it or correct its name"),
        )),
    }
}

/// Random bytes from the system. A UUID has six in front that are all random.
pub fn random(buffer: &mut [u8]) {
    for chunk in buffer.chunks_mut(6) {
        let bytes = Uuid::new_v4().into_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
}
