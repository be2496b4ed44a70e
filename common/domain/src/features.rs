//! `<features>` of the virtual machine.

use crate::hyperv::Hyperv;
use crate::scaled::KiB;
use virt_error::Result;
use virt_xml::{Element, Node, OnOff, Tag, Tree, Words, Writer, YesNo};

/// `<features>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Features {
    /// ACPI.
    #[xml(flag)]
    pub acpi: bool,
    /// The local APIC.
    #[xml(child)]
    pub apic: Option<Apic>,
    /// Physical address extension.
    #[xml(flag)]
    pub pae: bool,
    /// Hardware assisted paging.
    #[xml(child)]
    pub hap: Option<MaybeState>,
    /// Viridian enlightenments (Xen).
    #[xml(flag)]
    pub viridian: bool,
    /// A network namespace of its own (containers).
    #[xml(flag)]
    pub privnet: bool,
    /// Hyper-V enlightenments.
    #[xml(child)]
    pub hyperv: Option<Hyperv>,
    /// KVM's own.
    #[xml(child)]
    pub kvm: Option<Kvm>,
    /// Paravirtual spin locks.
    #[xml(child)]
    pub pvspinlock: Option<MaybeState>,
    /// Capabilities (containers).
    #[xml(raw)]
    pub capabilities: Option<Tree>,
    /// The performance counters' unit.
    #[xml(child)]
    pub pmu: Option<MaybeState>,
    /// VMware's port.
    #[xml(child)]
    pub vmport: Option<MaybeState>,
    /// The interrupt controller of ARM.
    #[xml(child)]
    pub gic: Option<Gic>,
    /// System management mode.
    #[xml(child)]
    pub smm: Option<Smm>,
    /// The I/O APIC.
    #[xml(child)]
    pub ioapic: Option<Ioapic>,
    /// The hashed page table (pSeries).
    #[xml(child)]
    pub hpt: Option<Hpt>,
    /// Where the guest leaves notes for crash tools.
    #[xml(child)]
    pub vmcoreinfo: Option<MaybeState>,
    /// Transactional memory (pSeries).
    #[xml(child)]
    pub htm: Option<State>,
    /// Nested guests (pSeries).
    #[xml(child = "nested-hv")]
    pub nested_hv: Option<State>,
    /// Unknown model specific registers.
    #[xml(child)]
    pub msrs: Option<Msrs>,
    /// Count cache flush assist (pSeries).
    #[xml(child = "ccf-assist")]
    pub ccf_assist: Option<State>,
    /// Xen's own.
    #[xml(child)]
    pub xen: Option<Xen>,
    /// Cache flush on privilege change (pSeries).
    #[xml(child)]
    pub cfpc: Option<Mitigation>,
    /// Speculation barrier bounds check (pSeries).
    #[xml(child)]
    pub sbbc: Option<Mitigation>,
    /// Indirect branch speculation (pSeries).
    #[xml(child)]
    pub ibs: Option<Ibs>,
    /// QEMU's translator.
    #[xml(child)]
    pub tcg: Option<Tcg>,
    /// Memory is given back after QEMU ended.
    #[xml(child = "async-teardown")]
    pub async_teardown: Option<AsyncTeardown>,
    /// Hardware errors are passed on (ARM).
    #[xml(child)]
    pub ras: Option<State>,
    /// The PS/2 controller.
    #[xml(child)]
    pub ps2: Option<State>,
    /// The interrupt controller of RISC-V.
    #[xml(child)]
    pub aia: Option<Aia>,
}

impl Features {
    /// Forgets details of what is off.
    pub(crate) fn settle(&mut self) {
        // What holds nothing says nothing.
        let tcg = self.tcg.take();
        self.tcg = tcg.filter(|tcg| tcg.tb_cache.is_some_and(|size| size.0 > 0));
        self.hpt = self.hpt.take().filter(|hpt| *hpt != Hpt::default());
        self.ioapic = self.ioapic.filter(|ioapic| ioapic.driver.is_some());
        self.cfpc = self.cfpc.filter(|state| state.value.is_some());
        self.sbbc = self.sbbc.filter(|state| state.value.is_some());
        self.ibs = self.ibs.filter(|state| state.value.is_some());
        if let Some(hyperv) = &mut self.hyperv {
            hyperv.settle();
        }
        if let Some(smm) = self.smm.as_mut().filter(|smm| !smm.state.is_on()) {
            smm.tseg = None;
        }
        let ring = self.kvm.as_mut().and_then(|kvm| kvm.dirty_ring.as_mut());
        if let Some(ring) = ring.filter(|ring| !ring.state.is_on()) {
            ring.size = None;
        }
    }
}

/// On or off, `on` when not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaybeState {
    /// Which.
    pub state: OnOff,
    /// Whether the definition said it.
    pub said: bool,
}

impl Element for MaybeState {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let state: Option<OnOff> = node.attr("state")?;
        Ok(Self {
            state: state.unwrap_or(OnOff::On),
            said: state.is_some(),
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("state", &self.state);
    }

    fn content(&self, _out: &mut Writer) {}
}

impl MaybeState {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self.state.is_on()
    }
}

/// On or off, which has to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct State {
    /// Which.
    #[xml(attr)]
    pub state: OnOff,
}

/// `<apic/>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct Apic {
    /// Paravirtual end of interrupt.
    #[xml(attr)]
    pub eoi: Option<OnOff>,
}

/// `<kvm>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Kvm {
    /// KVM doesn't show.
    #[xml(child)]
    pub hidden: Option<State>,
    /// Virtual CPUs have host CPUs of their own.
    #[xml(child = "hint-dedicated")]
    pub hint_dedicated: Option<State>,
    /// The guest polls before it halts.
    #[xml(child = "poll-control")]
    pub poll_control: Option<State>,
    /// Paravirtual interrupts between CPUs.
    #[xml(child = "pv-ipi")]
    pub pv_ipi: Option<State>,
    /// Dirty pages are reported in rings.
    #[xml(child = "dirty-ring")]
    pub dirty_ring: Option<DirtyRing>,
}

/// `<dirty-ring/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct DirtyRing {
    /// On or off.
    #[xml(attr)]
    pub state: OnOff,
    /// Entries of a ring, a power of 2 from 1024 to 65536.
    #[xml(attr)]
    pub size: Option<u32>,
}

/// `<xen>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Xen {
    /// The host's memory map.
    #[xml(child)]
    pub e820_host: Option<State>,
    /// Passing devices through.
    #[xml(child)]
    pub passthrough: Option<XenPassthrough>,
}

/// `<passthrough/>` of Xen.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct XenPassthrough {
    /// On or off.
    #[xml(attr)]
    pub state: OnOff,
    /// How page tables are shared.
    #[xml(attr)]
    pub mode: Option<String>,
}

/// `<gic/>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Element)]
pub struct Gic {
    /// Its version.
    #[xml(attr)]
    pub version: Option<GicVersion>,
}

/// Versions of ARM's interrupt controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum GicVersion {
    /// 2
    #[word("2")]
    V2,
    /// 3
    #[word("3")]
    V3,
    /// The host's.
    Host,
}

/// `<smm>`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smm {
    /// On or off.
    pub state: OnOff,
    /// Size of its memory, bytes.
    pub tseg: Option<Tseg>,
}

/// `<tseg unit=>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tseg(pub u64);

impl Element for Tseg {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        crate::scaled::amount_text(node, 1 << 20).map(Self)
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.text("unit", crate::scaled::pretty(self.0).1);
    }

    fn content(&self, out: &mut Writer) {
        out.text(&crate::scaled::pretty(self.0).0);
    }
}

impl Element for Smm {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self {
            state: node.attr("state")?.unwrap_or(OnOff::On),
            tseg: node.child("tseg")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("state", &self.state);
    }

    fn content(&self, out: &mut Writer) {
        out.maybe("tseg", self.tseg.as_ref());
    }
}

/// `<ioapic/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Ioapic {
    /// Who emulates it.
    #[xml(attr)]
    pub driver: Option<IoapicDriver>,
}

/// Who emulates the I/O APIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum IoapicDriver {
    /// QEMU.
    Qemu,
    /// The kernel.
    Kvm,
}

/// `<hpt>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Hpt {
    /// Whether it can be resized.
    #[xml(attr)]
    pub resizing: Option<HptResizing>,
    /// The largest page.
    #[xml(child)]
    pub maxpagesize: Option<KiB>,
}

/// Whether the hashed page table can be resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum HptResizing {
    /// It can.
    Enabled,
    /// It can't.
    Disabled,
    /// It must.
    Required,
}

/// `<msrs/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Msrs {
    /// What happens when an unknown one is used.
    #[xml(attr)]
    pub unknown: MsrsUnknown,
}

/// What happens when an unknown register is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum MsrsUnknown {
    /// Nothing.
    Ignore,
    /// A fault.
    Fault,
}

/// `<cfpc/>`, `<sbbc/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Mitigation {
    /// Its state.
    #[xml(attr)]
    pub value: Option<MitigationValue>,
}

/// State of a mitigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum MitigationValue {
    /// None.
    Broken,
    /// In software.
    Workaround,
    /// In hardware.
    Fixed,
}

/// `<ibs/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Ibs {
    /// Its state.
    #[xml(attr)]
    pub value: Option<IbsValue>,
}

/// State of the mitigation of indirect branch speculation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum IbsValue {
    /// None.
    Broken,
    /// In software.
    Workaround,
    /// By serialisation.
    FixedIbs,
    /// By disabling the count cache.
    FixedCcd,
    /// Not affected.
    FixedNa,
}

/// `<tcg>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Tcg {
    /// Size of the cache of translations.
    #[xml(child = "tb-cache")]
    pub tb_cache: Option<KiB>,
}

/// `<async-teardown/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsyncTeardown {
    /// Whether; `yes` when not said.
    pub enabled: YesNo,
}

impl Element for AsyncTeardown {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        Ok(Self {
            enabled: node.attr("enabled")?.unwrap_or(YesNo::Yes),
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("enabled", &self.enabled);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<aia/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct Aia {
    /// Which parts there are.
    #[xml(attr)]
    pub value: AiaValue,
}

/// RISC-V's advanced interrupt architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum AiaValue {
    /// None.
    None,
    /// Wired interrupts.
    Aplic,
    /// Message signalled ones too.
    AplicImsic,
}
