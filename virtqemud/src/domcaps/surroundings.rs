//! What of the host shows in the document.

use std::path::Path;
use std::sync::Arc;

use virt_host::cpu::{CpuMap, Named};

use crate::firmware::Descriptor;

/// The host, as far as guests can make use of it.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Firmware images.
    pub firmware: Vec<Descriptor>,
    /// Paths of images that are known without a descriptor and exist.
    pub known_loaders: Vec<String>,
    /// Paths of images to show instead of the fitting ones.
    pub loader_paths: Option<Vec<String>>,
    /// CPU models by name; without them the host's has no name.
    pub cpu_map: Option<Arc<CpuMap>>,
    /// The host's CPU by name, where QEMU doesn't tell what it is (POWER).
    pub host_model: Option<Named>,
    /// Physical address bits.
    pub address_bits: Option<u32>,
    /// How many virtual CPUs KVM lets a guest have.
    pub kvm_max_vcpus: Option<u32>,
    /// Versions of TPM that the emulator can be.
    pub swtpm_versions: Vec<String>,
    /// Whether there is a helper that serves RDP.
    pub qemu_rdp: bool,
    /// How PCI devices can be given to guests.
    pub pci_backends: Vec<String>,
    /// Arm's interrupt controllers.
    pub gic_versions: Vec<String>,
    /// Whether protected guests can run (s390x).
    pub s390_pv: bool,
    /// How many encrypted guests the processor can run, and how many of them with encrypted
    /// state.
    pub sev_guests: (u32, u32),
}

impl Surroundings {
    /// The ways to give PCI devices to guests: the kernel's VFIO, and then it is the default.
    pub fn pci_backends() -> Vec<String> {
        let vfio = Path::new("/dev/vfio/vfio").exists()
            && std::fs::read_dir("/sys/kernel/iommu_groups")
                .is_ok_and(|mut groups| groups.next().is_some());
        let names: &[&str] = if vfio { &["default", "vfio"] } else { &[] };
        names.iter().map(|name| (*name).to_owned()).collect()
    }
}
