//! The document as a whole.

use uuid::Uuid;
use virt_xml::{Element, Writer, YesNo};

use crate::Host;
use crate::cpu::CpuMap;
use crate::kvm::Kvm;
use crate::sysfs::Tree;

use super::cache::Caches;
use super::cpu::HostCpu;
use super::guest::Guest;
use super::memory_bandwidth::MemoryBandwidth;
use super::power::PowerManagement;
use super::topology::Topology;

/// The document.
#[derive(Debug, Clone, PartialEq)]
pub struct Capabilities {
    /// The host.
    pub host: HostCapabilities,
    /// What it can run.
    pub guests: Vec<Guest>,
}

impl Capabilities {
    /// The document's text, with libvirt's blank lines between its parts.
    pub fn to_xml(&self) -> String {
        let part = |write: &dyn Fn(&mut Writer)| {
            let mut out = Writer::indented(2);
            write(&mut out);
            out.finish() + "\n"
        };
        let mut text = String::from("<capabilities>\n\n");
        text += &part(&|out| out.element("host", &self.host));
        for guest in &self.guests {
            text += &part(&|out| out.element("guest", guest));
        }
        text + "</capabilities>\n"
    }
}

/// The `<host>`.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct HostCapabilities {
    /// The host's UUID.
    #[xml(child_text)]
    pub uuid: Option<Uuid>,
    /// Its CPU.
    #[xml(child)]
    pub cpu: HostCpu,
    /// How it sleeps.
    #[xml(child)]
    pub power_management: Option<PowerManagement>,
    /// Whether devices can be given to guests safely.
    #[xml(child)]
    pub iommu: Option<Iommu>,
    /// How guests migrate.
    #[xml(child)]
    pub migration_features: Option<Migration>,
    /// Its NUMA nodes.
    #[xml(child)]
    pub topology: Option<Topology>,
    /// Its caches.
    #[xml(child)]
    pub cache: Option<Caches>,
    /// Its memory bandwidth.
    #[xml(child)]
    pub memory_bandwidth: Option<MemoryBandwidth>,
    /// What keeps guests apart.
    #[xml(child = "secmodel")]
    pub secmodels: Vec<SecModel>,
}

/// Whether there is an IOMMU.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Iommu {
    /// `yes` or `no`.
    #[xml(attr)]
    pub support: YesNo,
}

impl Iommu {
    /// There is one when the kernel has groups of devices behind it.
    pub fn read(tree: &Tree) -> Self {
        let groups = std::fs::read_dir(tree.path("/sys/kernel/iommu_groups"));
        let any = groups.is_ok_and(|mut groups| groups.next().is_some());
        Self {
            support: any.into(),
        }
    }
}

/// How guests migrate.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Migration {
    /// While they run.
    #[xml(flag)]
    pub live: bool,
    /// Over what.
    #[xml(child)]
    pub uri_transports: Option<Transports>,
}

/// Kinds of connections.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Transports {
    /// Their names in URIs.
    #[xml(child_text)]
    pub uri_transport: Vec<String>,
}

/// A security model.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct SecModel {
    /// Its name.
    #[xml(child_text)]
    pub model: String,
    /// Its domain of interpretation.
    #[xml(child_text)]
    pub doi: String,
    /// Labels that guests get that have none.
    #[xml(child = "baselabel")]
    pub base_labels: Vec<BaseLabel>,
}

/// A label for guests of a type.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct BaseLabel {
    /// The type.
    #[xml(attr = "type")]
    pub kind: String,
    /// The label.
    #[xml(text)]
    pub label: String,
}

impl SecModel {
    /// A model without labels.
    pub fn plain(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            doi: "0".to_owned(),
            base_labels: Vec::new(),
        }
    }

    /// The same with that label for guests of a type.
    #[must_use]
    pub fn with_label(mut self, kind: &str, label: String) -> Self {
        self.base_labels.push(BaseLabel {
            kind: kind.to_owned(),
            label,
        });
        self
    }
}

impl HostCapabilities {
    /// The host as it is, without what a driver adds (migration, security models).
    ///
    /// Reads a few hundred small files and asks KVM: not for a thread that must not wait.
    pub fn read(host: &Host, map: Option<&CpuMap>, kvm: Option<&Kvm>, uuid: Option<Uuid>) -> Self {
        let tree = host.tree();
        let cache = Caches::read(tree);
        Self {
            uuid,
            cpu: HostCpu::read(host, map, kvm),
            power_management: Some(PowerManagement::read(tree)),
            iommu: Some(Iommu::read(tree)),
            migration_features: None,
            topology: Some(Topology::read(host)),
            memory_bandwidth: MemoryBandwidth::read(tree, cache.as_ref()),
            cache,
            secmodels: Vec::new(),
        }
    }
}
