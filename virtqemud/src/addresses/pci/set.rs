//! All PCI buses of a guest: what is taken, and what to add where a place is missing. Pure.

use super::bus::{Bus, Connect};
use virt_domain::devices::address::PciAddress;
use virt_domain::devices::controller::ControllerModel;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The most buses there can be: a bus is a byte.
const MAX_BUSES: usize = 256;

/// Which kinds of controllers can be added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    /// PCI Express root ports.
    pub(crate) root_ports: bool,
    /// PCI to PCI bridges.
    pub(crate) pci_bridges: bool,
    /// Bridges to PCI that sit in a port; otherwise one on the root is used.
    pub(crate) pcie_to_pci: bool,
}

/// The buses by number.
#[derive(Debug, Clone)]
pub(crate) struct PciSet {
    buses: Vec<Bus>,
    growth: Growth,
    /// By what was asked for, the first bus that may have a place: those before it are full, and what
    /// is full stays so.
    open: Vec<(Connect, usize)>,
}

impl PciSet {
    /// No buses yet.
    pub(crate) fn new(growth: Growth) -> Self {
        Self {
            buses: Vec::new(),
            growth,
            open: Vec::new(),
        }
    }

    /// The buses, by number.
    pub(crate) fn buses(&self) -> &[Bus] {
        &self.buses
    }

    /// Adds the next bus.
    pub(crate) fn add(&mut self, model: ControllerModel) -> Result<()> {
        let bus = Bus::new(model)
            .ok_or_else(|| internal(format!("'{model}' is no model of a PCI controller")))?;
        if self.buses.len() >= MAX_BUSES {
            return Err(xml("No more PCI buses can be added: 256 are in use"));
        }
        self.buses.push(bus);
        Ok(())
    }

    /// Whether a slot of the root bus is empty.
    pub(crate) fn slot_is_free(&self, bus: u8, slot: u8) -> bool {
        let bus = self.buses.get(usize::from(bus));
        bus.is_some_and(|b| b.slot_is_free(slot))
    }

    /// Whether more than one function of a slot is in use.
    pub(crate) fn slot_has_several(&self, address: &PciAddress) -> bool {
        let bus = self.buses.get(usize::from(address.bus));
        bus.is_some_and(|b| b.slot_has_several(address.slot))
    }

    /// Whether every bus is full.
    pub(crate) fn is_full(&self) -> bool {
        self.buses.iter().all(Bus::is_full)
    }

    /// Takes one function for what the board has there.
    pub(crate) fn take(&mut self, address: &PciAddress) {
        if let Some(bus) = self.buses.get_mut(usize::from(address.bus)) {
            bus.take(address.slot, address.function, false);
        }
    }

    /// Takes an address that was given.
    pub(crate) fn reserve(&mut self, address: &PciAddress, flags: Connect) -> Result<()> {
        if address.domain != 0 {
            return Err(xml(format!(
                "Invalid PCI address {address}. Only PCI domain 0 is available"
            )));
        }
        let count = self.buses.len();
        if count == 0 {
            return Err(xml("No PCI buses available"));
        }
        let bus = self
            .buses
            .get_mut(usize::from(address.bus))
            .ok_or_else(|| {
                xml(format!(
                    "Invalid PCI address {address}. Only PCI buses up to {} are available",
                    count - 1
                ))
            })?;
        let (first, last) = bus.range();
        if !bus.has_slot(address.slot) {
            let (relation, limit) = if address.slot < first {
                (">=", first)
            } else {
                ("<=", last)
            };
            return Err(xml(format!(
                "Invalid PCI address {address}. slot must be {relation} {limit}"
            )));
        }
        if !bus.fits(flags, true) {
            return Err(xml(format!(
                "The device at PCI address {address} cannot be plugged into the PCI controller \
                 with index='{}'. It requires a controller that accepts a {}.",
                address.bus,
                flags.words()
            )));
        }
        if flags.contains(Connect::INTEGRATED) && address.bus > 0 {
            return Err(xml(format!(
                "The device at PCI address {address} needs to be an integrated device (bus=0)"
            )));
        }
        if !bus.is_free(address) {
            return Err(xml(format!(
                "Attempted double use of PCI Address {address}"
            )));
        }
        bus.take(
            address.slot,
            address.function,
            flags.contains(Connect::SHARED_SLOT),
        );
        Ok(())
    }

    /// Chooses and takes the first place that fits; nothing when every one is taken.
    ///
    /// # Errors
    /// XML_ERROR without any bus.
    pub(crate) fn next(&mut self, flags: Connect) -> Result<Option<PciAddress>> {
        if self.buses.is_empty() {
            return Err(xml("No PCI buses available"));
        }
        let known = self.open.iter().position(|(asked, _)| *asked == flags);
        let known = known.unwrap_or_else(|| {
            self.open.push((flags, 0));
            self.open.len() - 1
        });
        let first = self.open[known].1;
        // The board's own bus is the first.
        let end = match flags.contains(Connect::INTEGRATED) {
            true => 1,
            false => self.buses.len(),
        };
        let mut buses = self.buses.iter_mut().take(end).enumerate().skip(first);
        let found = buses.find_map(|(number, bus)| {
            let (slot, function) = bus.fits(flags, false).then(|| bus.next_free(flags))??;
            bus.take(slot, function, flags.contains(Connect::SHARED_SLOT));
            Some((number, slot, function))
        });
        self.open[known].1 = found.map_or(self.buses.len(), |(number, ..)| number);
        // There are at most 256 buses.
        Ok(found.map(|(number, slot, function)| PciAddress::new(number as u8, slot, function)))
    }

    /// That function of the first slot in which nothing is.
    pub(crate) fn next_slot(&mut self, flags: Connect, function: u8) -> Option<PciAddress> {
        self.buses.iter_mut().enumerate().find_map(|(number, bus)| {
            if !bus.fits(flags, false) {
                return None;
            }
            let (first, last) = bus.range();
            let slot = (first..=last).find(|slot| bus.slot_is_free(*slot))?;
            bus.take(slot, function, false);
            // There are at most 256 buses.
            Some(PciAddress::new(number as u8, slot, function))
        })
    }

    /// The controllers to add so that something with `flags`, for which there was no place, gets
    /// one.
    ///
    /// # Errors
    /// INTERNAL_ERROR where nothing that can be added would help.
    pub(crate) fn remedy(&self, flags: Connect) -> Result<Vec<ControllerModel>> {
        use ControllerModel as M;
        if flags.contains(Connect::PCIE_TO_PCI_BRIDGE) {
            return Err(internal(
                "Cannot automatically add a new PCI bus for a device with connect flags 2000",
            ));
        }
        let behind_port = Connect::PCIE | Connect::UPSTREAM;
        if flags.intersects(behind_port) && self.growth.root_ports {
            return Ok(vec![M::PcieRootPort]);
        }
        if flags.contains(Connect::PCI) && self.growth.pci_bridges {
            // Bridges come before other devices: behind a full one there is room for them.
            let bridged = Connect::PCI_BRIDGE | Connect::AUTO;
            let bridged = self.buses.iter().any(|bus| bus.fits(bridged, false));
            if !self.growth.root_ports || bridged {
                return Ok(vec![M::PciBridge]);
            }
            if !self.growth.pcie_to_pci {
                return Ok(vec![M::DmiToPciBridge, M::PciBridge]);
            }
            // With a port of its own, also where another is free; which of them it gets is another
            // matter.
            return Ok(vec![M::PcieRootPort, M::PcieToPciBridge]);
        }
        if flags.contains(Connect::PCI_BRIDGE) && self.growth.root_ports {
            return Ok(vec![M::DmiToPciBridge]);
        }
        Err(self.none_left(flags))
    }

    fn none_left(&self, flags: Connect) -> Error {
        if flags.intersects(Connect::PCI | Connect::PCIE) {
            return internal("No more available PCI slots");
        }
        internal(format!(
            "a PCI slot is needed to connect a PCI controller model='{}', but none is available, \
             and it cannot be automatically added",
            flags.words()
        ))
    }
}

fn xml(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::XmlError, ErrorDomain::Domain, text)
}

fn internal(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Domain, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: Connect = Connect::PCIE.union(Connect::HOTPLUG).union(Connect::AUTO);
    const OLD: Connect = Connect::PCI.union(Connect::HOTPLUG).union(Connect::AUTO);

    fn pcie() -> PciSet {
        let mut set = PciSet::new(Growth {
            root_ports: true,
            pci_bridges: true,
            pcie_to_pci: true,
        });
        set.add(ControllerModel::PcieRoot).unwrap();
        set
    }

    #[test]
    fn an_endpoint_wants_a_port_and_an_old_device_a_bridge() {
        let mut set = pcie();
        assert_eq!(set.next(ENDPOINT).unwrap(), None);
        assert_eq!(
            set.remedy(ENDPOINT).unwrap(),
            [ControllerModel::PcieRootPort]
        );
        assert_eq!(set.next(OLD).unwrap(), None);
        assert_eq!(
            set.remedy(OLD).unwrap(),
            [
                ControllerModel::PcieRootPort,
                ControllerModel::PcieToPciBridge
            ]
        );
    }

    #[test]
    fn ports_share_slots_of_the_root() {
        let mut set = pcie();
        let flags = Connect::of_controller(ControllerModel::PcieRootPort);
        let places: Vec<_> = (0..9)
            .map(|_| set.next(flags).unwrap().unwrap().to_string())
            .collect();
        assert_eq!(places[0], "0000:00:01.0");
        assert_eq!(places[7], "0000:00:01.7");
        assert_eq!(places[8], "0000:00:02.0");
        // Nothing else joins them.
        let video = Connect::PCI | Connect::AUTO;
        assert_eq!(
            set.next(video).unwrap().unwrap().to_string(),
            "0000:00:03.0"
        );
    }

    #[test]
    fn what_is_taken_or_does_not_fit_is_refused() {
        let mut set = pcie();
        let address = PciAddress::new(0, 2, 0);
        set.reserve(&address, ENDPOINT).unwrap();
        assert_eq!(
            set.reserve(&address, ENDPOINT).unwrap_err().message(),
            "XML error: Attempted double use of PCI Address 0000:00:02.0"
        );
        let flags = Connect::of_controller(ControllerModel::PcieSwitchDownstreamPort);
        assert!(
            set.reserve(&PciAddress::new(0, 3, 0), flags)
                .unwrap_err()
                .message()
                .contains("It requires a controller that accepts a pcie-switch-downstream-port.")
        );
        assert!(set.reserve(&PciAddress::new(1, 0, 0), ENDPOINT).is_err());
        assert!(set.reserve(&PciAddress::new(0, 0, 0), ENDPOINT).is_err());
    }
}
