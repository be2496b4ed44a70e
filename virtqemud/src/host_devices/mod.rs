//! Devices of the host that guests get: which ones, and taking them from the host's drivers.

pub mod pci;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use virt_domain::Domain;
use virt_domain::devices::address::PciAddress;
use virt_domain::devices::hostdev::{Hostdev, HostdevSource};
use virt_domain::devices::interface::InterfaceSource;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::YesNo;

/// All host devices of the guest in the order of their numbers: network cards that are defined as
/// such, the host devices themselves, cards that networks gave.
pub fn all(domain: &Domain) -> Vec<Hostdev> {
    let cards = |of_network: bool| {
        let interfaces = domain.devices.interfaces.iter();
        interfaces
            .filter(move |i| matches!(i.source, InterfaceSource::Network(_)) == of_network)
            .filter_map(|interface| interface.as_hostdev())
    };
    cards(false)
        .chain(domain.devices.hostdevs.iter().cloned())
        .chain(cards(true))
        .collect()
}

/// Which guest has which PCI device of the host.
#[derive(Debug, Default)]
pub struct Users(Mutex<BTreeMap<String, String>>);

/// The PCI devices of one guest's run.
#[derive(Debug)]
pub struct Lent {
    users: Arc<Users>,
    devices: Vec<pci::Device>,
}

fn addresses(domain: &Domain) -> Vec<(PciAddress, bool)> {
    all(domain)
        .iter()
        .filter_map(|hostdev| match &hostdev.source {
            HostdevSource::Pci { address, .. } => {
                Some((*address, hostdev.managed == Some(YesNo::Yes)))
            }
            _ => None,
        })
        .collect()
}

impl Users {
    /// Notes the devices that a guest has which was found running.
    pub fn found(self: &Arc<Self>, domain: &Domain, root: &Path) -> Lent {
        let mut lent = Lent {
            users: Arc::clone(self),
            devices: Vec::new(),
        };
        for (address, managed) in addresses(domain) {
            self.note(&address.to_string(), &domain.name);
            lent.devices
                .push(pci::Device::taken(root, &address, managed));
        }
        lent
    }

    /// Takes the guest's devices from the host; `root` stands for `/`. Blocks.
    ///
    /// # Errors
    /// CONFIG_UNSUPPORTED where the host has no VFIO, OPERATION_INVALID for a device that another
    /// guest has or that is not managed and not detached, SYSTEM_ERROR naming what can't be done. What
    /// was taken by then is given back.
    pub fn take(self: &Arc<Self>, domain: &Domain, root: &Path) -> Result<Lent> {
        let mut lent = Lent {
            users: Arc::clone(self),
            devices: Vec::new(),
        };
        let wanted = addresses(domain);
        if !wanted.is_empty() && !pci::vfio_is_there(root) {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Qemu,
                "host doesn't support passthrough of host PCI devices",
            ));
        }
        for (address, managed) in wanted {
            let name = address.to_string();
            if let Some(other) = self.note(&name, &domain.name) {
                return Err(Error::new(
                    ErrorCode::OperationInvalid,
                    ErrorDomain::Qemu,
                    format!("PCI device {name} is in use by driver QEMU, domain {other}"),
                ));
            }
            match pci::Device::take(root, &address, managed) {
                Ok(device) => lent.devices.push(device),
                Err(error) => {
                    self.forget(&name);
                    return Err(error);
                }
            }
        }
        Ok(lent)
    }

    /// Notes a user; the one that has it already.
    fn note(&self, address: &str, guest: &str) -> Option<String> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match users.get(address) {
            Some(other) if other != guest => Some(other.clone()),
            _ => {
                users.insert(address.to_owned(), guest.to_owned());
                None
            }
        }
    }

    fn forget(&self, address: &str) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.remove(address);
    }
}

impl Lent {
    /// The nodes of the IOMMU groups, which QEMU opens.
    pub fn nodes(&self) -> Vec<std::path::PathBuf> {
        self.devices.iter().filter_map(pci::Device::node).collect()
    }
}

impl Drop for Lent {
    /// Gives the devices back, the latest first. Blocks.
    fn drop(&mut self) {
        while let Some(device) = self.devices.pop() {
            if let Err(error) = device.give_back() {
                tracing::error!(device = device.address(), %error, "not given back to the host");
            }
            self.users.forget(device.address());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pci::tests::{bind, host};

    fn guest(name: &str, managed: &str) -> Domain {
        let text = format!(
            "<domain type='qemu'><name>{name}</name><memory>1024</memory>
             <os><type arch='x86_64'>hvm</type></os><devices>
             <hostdev mode='subsystem' type='pci' managed='{managed}'>
               <source><address domain='0' bus='6' slot='0x12' function='5'/></source></hostdev>
             </devices></domain>"
        );
        *Box::new(Domain::read(&text).unwrap())
    }

    #[test]
    fn a_device_is_one_guests_at_a_time() {
        let host = host("0000:06:12.5", "e1000e");
        bind(host.path(), "0000:06:12.5", "vfio-pci");
        let users = Arc::<Users>::default();
        let first = users.take(&guest("a", "no"), host.path()).unwrap();
        let error = users.take(&guest("b", "no"), host.path()).unwrap_err();
        let text = "PCI device 0000:06:12.5 is in use by driver QEMU, domain a";
        assert!(error.message().ends_with(text), "{error}");
        drop(first);
        users.take(&guest("b", "no"), host.path()).unwrap();
    }

    #[test]
    fn a_device_that_nobody_detached_is_refused() {
        let host = host("0000:06:12.5", "e1000e");
        let users = Arc::<Users>::default();
        let error = users.take(&guest("a", "no"), host.path()).unwrap_err();
        assert!(
            error.message().contains("must be manually detached"),
            "{error}"
        );
    }
}
