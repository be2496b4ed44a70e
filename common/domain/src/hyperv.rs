//! Hyper-V enlightenments.

use crate::features::State;
use virt_error::Result;
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer};

/// `<hyperv mode=>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Hyperv {
    /// Whether each is chosen or all that the host has.
    #[xml(attr, default)]
    pub mode: HypervMode,
    /// Relaxed timers.
    #[xml(child)]
    pub relaxed: Option<HypervState>,
    /// The virtual APIC.
    #[xml(child)]
    pub vapic: Option<HypervState>,
    /// Spin locks.
    #[xml(child)]
    pub spinlocks: Option<Spinlocks>,
    /// Numbers of virtual processors.
    #[xml(child)]
    pub vpindex: Option<HypervState>,
    /// Time spent in the guest.
    #[xml(child)]
    pub runtime: Option<HypervState>,
    /// The synthetic interrupt controller.
    #[xml(child)]
    pub synic: Option<HypervState>,
    /// Synthetic timers.
    #[xml(child)]
    pub stimer: Option<Stimer>,
    /// Reset through a register.
    #[xml(child)]
    pub reset: Option<HypervState>,
    /// The vendor the guest sees.
    #[xml(child)]
    pub vendor_id: Option<VendorId>,
    /// Frequencies.
    #[xml(child)]
    pub frequencies: Option<HypervState>,
    /// Notifications after migration.
    #[xml(child)]
    pub reenlightenment: Option<HypervState>,
    /// Flushes of the translation buffers.
    #[xml(child)]
    pub tlbflush: Option<Tlbflush>,
    /// Interrupts between processors.
    #[xml(child)]
    pub ipi: Option<HypervState>,
    /// Enlightened control structures of nested guests.
    #[xml(child)]
    pub evmcs: Option<HypervState>,
    /// Automatic end of interrupt with hardware support.
    #[xml(child)]
    pub avic: Option<HypervState>,
    /// The enlightened bitmap of registers.
    #[xml(child)]
    pub emsr_bitmap: Option<HypervState>,
    /// Calls with arguments in vector registers.
    #[xml(child)]
    pub xmm_input: Option<HypervState>,
}

impl Hyperv {
    /// Forgets what is not looked at: single enlightenments where all are passed through, and parts
    /// of one that are off.
    pub(crate) fn settle(&mut self) {
        if self.mode == HypervMode::Passthrough {
            *self = Self {
                mode: self.mode,
                ..Self::default()
            };
        }
        let is_on = |state: &HypervState| state.state.is_on();
        if let Some(stimer) = &mut self.stimer {
            stimer.direct = stimer.direct.filter(is_on);
        }
        if let Some(tlbflush) = &mut self.tlbflush {
            tlbflush.direct = tlbflush.direct.filter(is_on);
            tlbflush.extended = tlbflush.extended.filter(is_on);
        }
    }
}

/// How enlightenments are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Words)]
pub enum HypervMode {
    /// One by one.
    #[default]
    Custom,
    /// All that the host has.
    Passthrough,
}

/// An enlightenment that is on or off.
pub type HypervState = State;

/// `<spinlocks/>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Spinlocks {
    /// On or off.
    pub state: OnOff,
    /// Tries before the hypervisor is told, 4095 or more; always there when it is on.
    pub retries: Option<u32>,
}

impl Element for Spinlocks {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let state: OnOff = node.required("state")?;
        let retries = node.attr("retries")?;
        Ok(match state {
            OnOff::On if retries.is_none() => {
                return Err(
                    node.error("Missing required attribute 'retries' in element 'spinlocks'")
                );
            }
            OnOff::On => Self { state, retries },
            OnOff::Off => Self {
                state,
                retries: None,
            },
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("state", &self.state);
        tag.maybe("retries", &self.retries);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<stimer>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Stimer {
    /// On or off.
    #[xml(attr)]
    pub state: OnOff,
    /// Direct mode.
    #[xml(child)]
    pub direct: Option<HypervState>,
}

/// `<vendor_id/>`.
#[derive(Debug, Clone, PartialEq)]
pub struct VendorId {
    /// On or off.
    pub state: OnOff,
    /// Up to 12 characters, no comma; always there when it is on.
    pub value: Option<String>,
}

impl Element for VendorId {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let state: OnOff = node.required("state")?;
        let value = node.attr("value")?;
        Ok(match state {
            OnOff::On if value.is_none() => {
                return Err(node.error("missing 'value' attribute for HyperV feature 'vendor_id'"));
            }
            OnOff::On => Self { state, value },
            OnOff::Off => Self { state, value: None },
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("state", &self.state);
        tag.maybe("value", &self.value);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<tlbflush>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Tlbflush {
    /// On or off.
    #[xml(attr)]
    pub state: OnOff,
    /// By nested guests.
    #[xml(child)]
    pub direct: Option<HypervState>,
    /// With lists of pages.
    #[xml(child)]
    pub extended: Option<HypervState>,
}
