//! `<cpu>`: what the guest's processors are.

use crate::numa::Numa;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, OnOff, Tag, Words, Writer};

/// `<cpu>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Cpu {
    /// How the model is found.
    #[xml(attr)]
    pub mode: Option<CpuMode>,
    /// How exactly the host has to match.
    #[xml(attr = "match")]
    pub matching: Option<CpuMatch>,
    /// How the result is checked at start.
    #[xml(attr)]
    pub check: Option<CpuCheck>,
    /// Whether features that block migration are left out.
    #[xml(attr)]
    pub migratable: Option<OnOff>,
    /// Whether features that are on their way out are there.
    #[xml(attr)]
    pub deprecated_features: Option<OnOff>,
    /// The model.
    #[xml(child)]
    pub model: Option<CpuModel>,
    /// Vendor the host's CPU has to be of.
    #[xml(child_text)]
    pub vendor: Option<String>,
    /// Sockets, cores, threads.
    #[xml(child)]
    pub topology: Option<Topology>,
    /// What the guest sees of the caches.
    #[xml(child)]
    pub cache: Option<CpuCache>,
    /// Width of physical addresses.
    #[xml(child)]
    pub maxphysaddr: Option<MaxPhysAddr>,
    /// Features besides the model's.
    #[xml(child = "feature")]
    pub features: Vec<CpuFeature>,
    /// NUMA nodes.
    #[xml(child)]
    pub numa: Option<Numa>,
}

/// How the model is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum CpuMode {
    /// It is given.
    Custom,
    /// It is the one nearest to the host's CPU.
    HostModel,
    /// It is the host's CPU as it is.
    HostPassthrough,
    /// It has all that can be had.
    Maximum,
}

/// How exactly the host has to match a custom model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum CpuMatch {
    /// It has at least that; the guest gets all of it.
    Minimum,
    /// The guest gets that.
    Exact,
    /// It has exactly that.
    Strict,
}

/// How the result is checked at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum CpuCheck {
    /// It isn't.
    None,
    /// The host is compared before.
    Partial,
    /// What the guest got is compared.
    Full,
}

/// `<model fallback= vendor_id=>name</model>`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CpuModel {
    /// Whether a near model will do.
    pub fallback: Option<Fallback>,
    /// The vendor the guest sees, 12 characters.
    pub vendor_id: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

/// Whether a near model will do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Words)]
pub enum Fallback {
    /// It will.
    #[default]
    Allow,
    /// It won't.
    Forbid,
}

impl Element for CpuModel {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let fallback = node.attr("fallback")?;
        let vendor_id: Option<String> = node.attr("vendor_id")?;
        if let Some(id) = &vendor_id {
            if id.len() != 12 {
                return Err(node.error("vendor_id must be exactly 12 characters long"));
            }
            if id.contains(',') {
                return Err(node.error("vendor id is invalid"));
            }
        }
        let name: Option<String> = node.maybe_text()?;
        Ok(Self {
            fallback,
            vendor_id,
            name: name.map(|name| name.trim().to_owned()),
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        // Of a model that has no name it says nothing.
        tag.maybe("fallback", &self.fallback.filter(|_| self.name.is_some()));
        tag.maybe("vendor_id", &self.vendor_id);
    }

    fn content(&self, out: &mut Writer) {
        if let Some(name) = &self.name {
            out.text(name);
        }
    }
}

/// `<topology/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topology {
    /// Sockets.
    pub sockets: u32,
    /// Dies of a socket.
    pub dies: u32,
    /// Clusters of a die.
    pub clusters: u32,
    /// Cores of a cluster.
    pub cores: u32,
    /// Threads of a core.
    pub threads: u32,
}

impl Topology {
    /// How many threads there are; nothing beyond 2^32.
    pub fn count(&self) -> Option<u32> {
        self.sockets
            .checked_mul(self.dies)?
            .checked_mul(self.clusters)?
            .checked_mul(self.cores)?
            .checked_mul(self.threads)
    }
}

impl Element for Topology {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let positive = |node: &mut Node<'_>, name: &str, required: bool| -> Result<u32> {
            let value: Option<u32> = if required {
                Some(node.required(name)?)
            } else {
                node.attr(name)?
            };
            match value {
                Some(0) => Err(node.bad_attr(name, "0", "a number from 1")),
                other => Ok(other.unwrap_or(1)),
            }
        };
        Ok(Self {
            sockets: positive(node, "sockets", true)?,
            dies: positive(node, "dies", false)?,
            clusters: positive(node, "clusters", false)?,
            cores: positive(node, "cores", true)?,
            threads: positive(node, "threads", true)?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("sockets", &self.sockets);
        tag.attr("dies", &self.dies);
        tag.attr("clusters", &self.clusters);
        tag.attr("cores", &self.cores);
        tag.attr("threads", &self.threads);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<cache/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct CpuCache {
    /// Which level; all when not said.
    #[xml(attr)]
    pub level: Option<u32>,
    /// What the guest sees.
    #[xml(attr)]
    pub mode: CpuCacheMode,
}

/// What a guest sees of the caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum CpuCacheMode {
    /// Something made up.
    Emulate,
    /// The host's.
    Passthrough,
    /// None.
    Disable,
}

/// `<maxphysaddr/>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Element)]
pub struct MaxPhysAddr {
    /// Whose width.
    #[xml(attr)]
    pub mode: MaxPhysAddrMode,
    /// How many bits.
    #[xml(attr)]
    pub bits: Option<u32>,
    /// At most how many, of the host's.
    #[xml(attr)]
    pub limit: Option<u32>,
}

/// Whose width physical addresses have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Words)]
pub enum MaxPhysAddrMode {
    /// A given one.
    Emulate,
    /// The host's.
    Passthrough,
}

/// `<feature/>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuFeature {
    /// Whether it is there.
    pub policy: FeaturePolicy,
    /// libvirt's name.
    pub name: String,
}

/// Whether a feature is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Words)]
pub enum FeaturePolicy {
    /// Whatever the host has.
    Force,
    /// The host has to have it.
    #[default]
    Require,
    /// If the host has it.
    Optional,
    /// It isn't.
    Disable,
    /// The host must not have it.
    Forbid,
}

impl Element for CpuFeature {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let policy = match node.attr_text("policy") {
            None => FeaturePolicy::Require,
            Some(text) => FeaturePolicy::from_word(text)
                .ok_or_else(|| internal("Invalid CPU feature policy"))?,
        };
        let name = node
            .attr_text("name")
            .filter(|name| !name.is_empty())
            .ok_or_else(|| internal("Invalid CPU feature name"))?;
        Ok(Self {
            policy,
            name: name.to_owned(),
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("policy", &self.policy);
        tag.attr("name", &self.name);
    }

    fn content(&self, _out: &mut Writer) {}
}

fn internal(text: &str) -> Error {
    Error::new(ErrorCode::InternalError, ErrorDomain::Cpu, text)
}

impl Cpu {
    /// The model's name.
    pub fn model_name(&self) -> Option<&str> {
        self.model.as_ref()?.name.as_deref()
    }

    /// What is said about a feature.
    pub fn feature(&self, name: &str) -> Option<FeaturePolicy> {
        self.features
            .iter()
            .find(|f| f.name == name)
            .map(|f| f.policy)
    }

    /// The number of NUMA nodes.
    pub fn numa_cells(&self) -> usize {
        self.numa.as_ref().map_or(0, |numa| numa.cells.len())
    }
}
