//! `<watchdog>`.

use super::info::DeviceInfo;
use virt_xml::{Element, Words};

/// `<watchdog>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Watchdog {
    /// The device.
    #[xml(attr)]
    pub model: WatchdogModel,
    /// What happens when the guest no longer feeds it.
    #[xml(attr, default)]
    pub action: WatchdogAction,
    /// Alias and address.
    #[xml(flatten)]
    pub info: DeviceInfo,
}

/// Watchdog devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Words)]
pub enum WatchdogModel {
    /// A PCI card.
    I6300esb,
    /// An ISA card.
    Ib700,
    /// s390x's.
    Diag288,
    /// Part of q35's chipset.
    Itco,
}

/// What happens when the guest no longer feeds the watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Words)]
pub enum WatchdogAction {
    /// The guest is reset.
    #[default]
    Reset,
    /// The guest is asked to shut down.
    Shutdown,
    /// The guest is switched off.
    Poweroff,
    /// The guest is paused.
    Pause,
    /// The guest's memory is dumped.
    Dump,
    /// Nothing.
    None,
    /// The guest gets an NMI.
    InjectNmi,
}

impl Watchdog {
    /// Takes away what only a running guest has.
    pub fn inactive(&mut self) {
        self.info.inactive();
    }
}
