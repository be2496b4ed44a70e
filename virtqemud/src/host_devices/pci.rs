//! Taking a PCI device from the host's driver for VFIO, and giving it back.
//!
//! Facts: the kernel's `Documentation/ABI/testing/sysfs-bus-pci` (`driver_override`, `unbind`,
//! `drivers_probe`) and `Documentation/driver-api/vfio.rst`; the texts are the stock daemon's.

use std::io;
use std::path::{Path, PathBuf};

use virt_domain::devices::address::PciAddress;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The driver that lets programs drive a device.
const VFIO: &str = "vfio-pci";

/// Whether the host can give PCI devices away: it has IOMMU groups.
pub fn vfio_is_there(root: &Path) -> bool {
    let groups = std::fs::read_dir(root.join("sys/kernel/iommu_groups"));
    groups.is_ok_and(|mut groups| groups.next().is_some()) && root.join("dev/vfio/vfio").exists()
}

/// A device that was taken.
#[derive(Debug)]
pub struct Device {
    root: PathBuf,
    address: String,
    /// Whether it goes back to the host's driver.
    returns: bool,
}

impl Device {
    /// A device that was taken before this daemon was started.
    pub(super) fn taken(root: &Path, address: &PciAddress, managed: bool) -> Self {
        Self {
            root: root.to_owned(),
            address: address.to_string(),
            returns: managed,
        }
    }

    /// Takes a device: of a managed one the driver is changed, another one has VFIO's already.
    pub(super) fn take(root: &Path, address: &PciAddress, managed: bool) -> Result<Self> {
        let mut device = Self::taken(root, address, false);
        let folder = device.folder();
        if !folder.exists() {
            let text = format!(
                "Device {} not found: could not access {}: No such file or directory",
                device.address,
                folder.display()
            );
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                text,
            ));
        }
        let driver = device.driver();
        if driver.as_deref() == Some(VFIO) {
            return Ok(device);
        }
        if !managed {
            return Err(Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Qemu,
                format!(
                    "Unmanaged PCI device {} must be manually detached from the host",
                    device.address
                ),
            ));
        }
        device.returns = true;
        if let Err(error) = device.rebind(VFIO) {
            // As far as it went.
            let _ = device.give_back();
            return Err(error);
        }
        Ok(device)
    }

    /// Where it sits.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn folder(&self) -> PathBuf {
        self.root.join("sys/bus/pci/devices").join(&self.address)
    }

    /// The driver it has.
    fn driver(&self) -> Option<String> {
        let link = std::fs::read_link(self.folder().join("driver")).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }

    /// The node by which QEMU drives it and the others of its IOMMU group.
    pub fn node(&self) -> Option<PathBuf> {
        let link = std::fs::read_link(self.folder().join("iommu_group")).ok()?;
        Some(self.root.join("dev/vfio").join(link.file_name()?))
    }

    /// Gives it to that driver alone; to any that wants it when there is none named.
    fn rebind(&self, driver: &str) -> Result<()> {
        let failed = |what: &str, cause: io::Error| {
            let text = format!("failed to {what} PCI device '{}'", self.address);
            Error::system(ErrorDomain::Qemu, text, &cause)
        };
        let named = format!("{driver}\n");
        std::fs::write(self.folder().join("driver_override"), named)
            .map_err(|e| failed("add driver override for", e))?;
        match std::fs::write(self.folder().join("driver/unbind"), &self.address) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("unbind", error));
            }
            _ => {}
        }
        let probe = self.root.join("sys/bus/pci/drivers_probe");
        std::fs::write(probe, &self.address).map_err(|e| failed("probe a driver for", e))?;
        let now = self.driver();
        if !driver.is_empty() && now.as_deref() != Some(driver) {
            return Err(Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                format!(
                    "PCI device {} is not bound to driver '{driver}'; is the kernel's module loaded?",
                    self.address
                ),
            ));
        }
        Ok(())
    }

    /// Gives it back to the host's driver if it was taken from it.
    pub(super) fn give_back(&self) -> Result<()> {
        match self.returns {
            true => self.rebind(""),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    /// A tree in which a device sits at that address and has that driver.
    pub(in crate::host_devices) fn host(address: &str, driver: &str) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let at = |below: &str| root.path().join(below);
        for folder in [
            format!("sys/bus/pci/devices/{address}"),
            format!("sys/bus/pci/drivers/{driver}"),
            format!("sys/bus/pci/drivers/{VFIO}"),
            "sys/kernel/iommu_groups/7".to_owned(),
            "dev/vfio".to_owned(),
        ] {
            std::fs::create_dir_all(at(&folder)).unwrap();
        }
        for file in ["dev/vfio/vfio", "dev/vfio/7", "sys/bus/pci/drivers_probe"] {
            std::fs::write(at(file), "").unwrap();
        }
        let device = at(&format!("sys/bus/pci/devices/{address}"));
        symlink("../../../kernel/iommu_groups/7", device.join("iommu_group")).unwrap();
        bind(root.path(), address, driver);
        root
    }

    /// What the kernel does when a driver takes a device.
    pub(in crate::host_devices) fn bind(root: &Path, address: &str, driver: &str) {
        let link = root.join(format!("sys/bus/pci/devices/{address}/driver"));
        let _ = std::fs::remove_file(&link);
        symlink(format!("../../drivers/{driver}"), link).unwrap();
    }

    fn address() -> PciAddress {
        PciAddress {
            bus: 6,
            slot: 0x12,
            function: 5,
            ..PciAddress::default()
        }
    }

    fn said(root: &Path, below: &str) -> String {
        std::fs::read_to_string(root.join(below)).unwrap_or_default()
    }

    #[test]
    fn the_driver_is_overridden_and_the_override_taken_away() {
        let host = host("0000:06:12.5", "e1000e");
        let root = host.path();
        // Nobody probes here, so that it is still the old driver's: the reason is named, and what
        // was written is taken back.
        let error = Device::take(root, &address(), true).unwrap_err();
        assert!(
            error.message().contains("not bound to driver 'vfio-pci'"),
            "{error}"
        );
        let folder = "sys/bus/pci/devices/0000:06:12.5";
        assert_eq!(said(root, &format!("{folder}/driver_override")), "\n");
        assert_eq!(said(root, "sys/bus/pci/drivers_probe"), "0000:06:12.5");
        let unbound = "sys/bus/pci/drivers/e1000e/unbind";
        assert_eq!(said(root, unbound), "0000:06:12.5");
        bind(root, "0000:06:12.5", VFIO);
        let device = Device::take(root, &address(), true).unwrap();
        assert_eq!(device.node(), Some(root.join("dev/vfio/7")));
        // It was VFIO's before: it stays so.
        device.give_back().unwrap();
        assert_eq!(device.driver().as_deref(), Some(VFIO));
        let found = Device::taken(root, &address(), true);
        found.give_back().unwrap();
        let unbound = "sys/bus/pci/drivers/vfio-pci/unbind";
        assert_eq!(said(root, unbound), "0000:06:12.5");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let empty = tempfile::tempdir().unwrap();
        assert!(!vfio_is_there(empty.path()));
        let error = Device::take(empty.path(), &address(), true).unwrap_err();
        assert!(
            error.message().contains("Device 0000:06:12.5 not found"),
            "{error}"
        );
    }
}
