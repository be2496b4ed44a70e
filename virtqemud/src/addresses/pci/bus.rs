//! One PCI bus: which slots it has, what can be plugged into it, what is in it. Pure.

use virt_domain::devices::address::PciAddress;
use virt_domain::devices::controller::ControllerModel;

bitflags::bitflags! {
    /// What a device needs of a bus and what a bus offers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(crate) struct Connect: u32 {
        /// A conventional PCI device.
        const PCI = 1;
        /// A PCI Express device.
        const PCIE = 1 << 1;
        /// A root port.
        const ROOT_PORT = 1 << 2;
        /// The upstream port of a switch.
        const UPSTREAM = 1 << 3;
        /// A downstream port of a switch.
        const DOWNSTREAM = 1 << 4;
        /// A bridge from PCI Express to PCI that sits on the root.
        const DMI_BRIDGE = 1 << 5;
        /// A bridge from PCI to PCI.
        const PCI_BRIDGE = 1 << 6;
        /// A bridge from PCI Express to PCI that sits in a port.
        const PCIE_TO_PCI_BRIDGE = 1 << 7;
        /// A second PCI root.
        const PCI_EXPANDER = 1 << 8;
        /// A second PCI Express root.
        const PCIE_EXPANDER = 1 << 9;
        /// Plugged in and out while the guest runs.
        const HOTPLUG = 1 << 10;
        /// Chosen without being asked for.
        const AUTO = 1 << 11;
        /// Shares its slot with others of its kind, a function each.
        const SHARED_SLOT = 1 << 12;
        /// Sits on the root's own bus.
        const INTEGRATED = 1 << 13;
    }
}

impl Connect {
    /// The bits that say what kind of device it is.
    pub(crate) const KINDS: Self = Self::from_bits_truncate((1 << 10) - 1);

    /// What a controller of that model needs.
    pub(crate) fn of_controller(model: ControllerModel) -> Self {
        use ControllerModel as M;
        match model {
            M::PciBridge => Self::PCI_BRIDGE | Self::AUTO,
            M::PciExpanderBus => Self::PCI_EXPANDER | Self::AUTO,
            M::DmiToPciBridge => Self::DMI_BRIDGE | Self::AUTO,
            M::PcieToPciBridge => Self::PCIE_TO_PCI_BRIDGE | Self::AUTO,
            M::PcieRootPort => Self::ROOT_PORT | Self::AUTO | Self::SHARED_SLOT,
            M::PcieSwitchUpstreamPort => Self::UPSTREAM | Self::AUTO,
            M::PcieSwitchDownstreamPort => Self::DOWNSTREAM | Self::AUTO,
            M::PcieExpanderBus => Self::PCIE_EXPANDER | Self::AUTO,
            _ => Self::empty(),
        }
    }

    /// How a refusal names the kind.
    pub(crate) fn words(self) -> &'static str {
        match () {
            () if self.contains(Self::PCI | Self::PCIE) => "PCI or PCIe device",
            () if self.contains(Self::PCIE) => "PCI Express device",
            () if self.contains(Self::PCI) => "standard PCI device",
            () if self.contains(Self::ROOT_PORT) => "pcie-root-port",
            () if self.contains(Self::UPSTREAM) => "pcie-switch-upstream-port",
            () if self.contains(Self::DOWNSTREAM) => "pcie-switch-downstream-port",
            () if self.contains(Self::DMI_BRIDGE) => "dmi-to-pci-bridge",
            () if self.contains(Self::PCI_BRIDGE) => "pci-bridge",
            () if self.contains(Self::PCIE_TO_PCI_BRIDGE) => "pcie-to-pci-bridge",
            () if self.contains(Self::PCI_EXPANDER) => "pci-expander-bus",
            () if self.contains(Self::PCIE_EXPANDER) => "pcie-expander-bus",
            () => "device",
        }
    }
}

/// A bus.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    pub(crate) model: ControllerModel,
    offers: Connect,
    first: u8,
    last: u8,
    /// A bit for each function in use.
    slots: [u8; 32],
    /// Slots whose functions may be given to several devices.
    shared: u32,
    /// Whether something is in every slot.
    full: bool,
}

impl Bus {
    /// The bus behind a controller of that model; nothing for what is no PCI controller.
    pub(crate) fn new(model: ControllerModel) -> Option<Self> {
        use ControllerModel as M;
        let (offers, first, last) = match model {
            M::PciRoot => (
                Connect::PCI
                    | Connect::PCI_BRIDGE
                    | Connect::PCI_EXPANDER
                    | Connect::HOTPLUG
                    | Connect::AUTO,
                1,
                31,
            ),
            M::PciBridge | M::PcieToPciBridge => (
                Connect::PCI | Connect::PCI_BRIDGE | Connect::HOTPLUG | Connect::AUTO,
                1,
                31,
            ),
            M::PciExpanderBus => (
                Connect::PCI | Connect::PCI_BRIDGE | Connect::HOTPLUG | Connect::AUTO,
                0,
                31,
            ),
            // Devices on the root itself can't be unplugged, so none is put there unasked.
            M::PcieRoot => (
                Connect::PCI
                    | Connect::PCIE
                    | Connect::ROOT_PORT
                    | Connect::DMI_BRIDGE
                    | Connect::PCIE_EXPANDER
                    | Connect::AUTO,
                1,
                31,
            ),
            M::DmiToPciBridge => (Connect::PCI | Connect::PCI_BRIDGE | Connect::AUTO, 0, 31),
            M::PcieRootPort | M::PcieSwitchDownstreamPort => (
                Connect::PCIE
                    | Connect::UPSTREAM
                    | Connect::PCIE_TO_PCI_BRIDGE
                    | Connect::HOTPLUG
                    | Connect::AUTO,
                0,
                0,
            ),
            M::PcieSwitchUpstreamPort => (Connect::DOWNSTREAM | Connect::AUTO, 0, 31),
            M::PcieExpanderBus => (Connect::ROOT_PORT | Connect::DMI_BRIDGE, 0, 31),
            _ => return None,
        };
        Some(Self {
            model,
            offers,
            first,
            last,
            slots: [0; 32],
            shared: 0,
            full: false,
        })
    }

    /// Whether something that needs `flags` may be put there. What a user asks for is looked at less
    /// strictly: a device of either kind fits either kind of slot, and need not be hot-pluggable.
    pub(crate) fn fits(&self, flags: Connect, by_user: bool) -> bool {
        let mut kinds = flags & Connect::KINDS;
        if by_user {
            if kinds.intersects(Connect::PCI | Connect::PCIE) {
                kinds |= Connect::PCI | Connect::PCIE;
            }
            if kinds.contains(Connect::PCIE_TO_PCI_BRIDGE)
                && self.model == ControllerModel::PcieRoot
            {
                return true;
            }
            return self.offers.intersects(kinds);
        }
        let needs = flags & (Connect::HOTPLUG | Connect::AUTO);
        self.offers.intersects(kinds) && self.offers.contains(needs)
    }

    /// The slots it has.
    pub(crate) fn has_slot(&self, slot: u8) -> bool {
        (self.first..=self.last).contains(&slot)
    }

    /// First and last slot.
    pub(crate) fn range(&self) -> (u8, u8) {
        (self.first, self.last)
    }

    /// Whether that function is free.
    pub(crate) fn is_free(&self, address: &PciAddress) -> bool {
        let slot = self.slots[usize::from(address.slot & 31)];
        slot & (1 << (address.function & 7)) == 0
    }

    /// Whether nothing at all is in the slot.
    pub(crate) fn slot_is_free(&self, slot: u8) -> bool {
        self.slots[usize::from(slot & 31)] == 0
    }

    /// Whether more than one function of the slot is in use.
    pub(crate) fn slot_has_several(&self, slot: u8) -> bool {
        self.slots[usize::from(slot & 31)].count_ones() > 1
    }

    /// Marks a function as used.
    pub(crate) fn take(&mut self, slot: u8, function: u8, shared: bool) {
        let at = usize::from(slot & 31);
        if shared && (self.slots[at] == 0 || self.shared & (1 << at) != 0) {
            self.shared |= 1 << at;
        } else {
            self.shared &= !(1 << at);
        }
        let was_empty = self.slots[at] == 0;
        self.slots[at] |= 1 << (function & 7);
        // Full buses are asked again and again while others fill up.
        if was_empty {
            let mut slots = self.first..=self.last;
            self.full = slots.all(|slot| self.slots[usize::from(slot)] != 0);
        }
    }

    /// The first free place for something that needs `flags`, from `function` on where the function
    /// matters.
    pub(crate) fn next_free(&self, flags: Connect) -> Option<(u8, u8)> {
        if self.is_full() && (self.shared == 0 || !flags.contains(Connect::SHARED_SLOT)) {
            return None;
        }
        (self.first..=self.last).find_map(|slot| {
            let used = self.slots[usize::from(slot)];
            if used == 0 {
                return Some((slot, 0));
            }
            if flags.contains(Connect::SHARED_SLOT) && self.shared & (1 << slot) != 0 {
                // After the last one used, so that functions stay in order.
                let function = 8 - u8::try_from(used.leading_zeros()).unwrap_or(8);
                if function < 8 {
                    return Some((slot, function));
                }
            }
            None
        })
    }

    /// Whether no slot is left.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }
}
