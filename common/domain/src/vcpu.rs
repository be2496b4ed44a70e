//! Virtual CPUs and I/O threads.

use crate::number_set::NumberSet;
use crate::refusal::{invalid_argument, unsupported};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::{Element, Node, Tag, Words, Writer, YesNo};

/// `<vcpu placement= cpuset= current=>N</vcpu>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Vcpu {
    /// Who chooses the host's CPUs.
    pub placement: Placement,
    /// The host's CPUs for all that isn't pinned.
    pub cpuset: Option<NumberSet>,
    /// How many are there at start, if not all.
    pub current: Option<u32>,
    /// How many there can be.
    pub max: u32,
}

impl Default for Vcpu {
    fn default() -> Self {
        Self {
            placement: Placement::Static,
            cpuset: None,
            current: None,
            max: 1,
        }
    }
}

/// Who chooses the place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Words)]
pub enum Placement {
    /// The user.
    #[default]
    Static,
    /// A placement service.
    Auto,
}

impl Vcpu {
    /// How many there are at start.
    pub fn count(&self) -> u32 {
        self.current.unwrap_or(self.max)
    }
}

impl Element for Vcpu {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let placement = node.attr("placement")?.unwrap_or_default();
        let cpuset = cpuset(node, "cpuset")?;
        let current: Option<u32> = node.attr("current")?;
        let max: u32 = node.maybe_text()?.unwrap_or(1);
        if current.is_some_and(|current| current > max) {
            return Err(Error::new(
                ErrorCode::ConfigUnsupported,
                ErrorDomain::Domain,
                "maximum vCPU count must not be less than current vCPU count",
            ));
        }
        Ok(Self {
            placement,
            // Automatic placement makes up a set of its own at each start.
            cpuset: cpuset.filter(|_| placement == Placement::Static),
            current: current.filter(|current| *current != max),
            max,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("placement", &self.placement);
        tag.maybe("cpuset", &self.cpuset);
        tag.maybe("current", &self.current);
    }

    fn content(&self, out: &mut Writer) {
        out.text(&self.max);
    }
}

/// Takes an attribute that is a set of CPUs; the refusal is the stock one.
pub(crate) fn cpuset(node: &mut Node<'_>, name: &str) -> Result<Option<NumberSet>> {
    let Some(text) = node.attr_text(name) else {
        return Ok(None);
    };
    let set = NumberSet::parse_any(text)
        .ok_or_else(|| invalid_argument(format!("Failed to parse bitmap '{text}'")))?;
    if set.is_empty() {
        return Err(unsupported(format!("Invalid value of '{name}': {text}")));
    }
    Ok(Some(set))
}

/// `<vcpus>`: virtual CPUs one by one.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Vcpus {
    /// All of them.
    #[xml(child = "vcpu")]
    pub list: Vec<VcpuEntry>,
}

/// One of `<vcpus>`.
#[derive(Debug, Clone, PartialEq)]
pub struct VcpuEntry {
    /// Its number.
    pub id: u32,
    /// Whether it is there at start.
    pub enabled: YesNo,
    /// Whether it can be unplugged; those that aren't there can be plugged in unless said otherwise.
    pub hotpluggable: YesNo,
    /// When it is plugged in, from 1.
    pub order: Option<u32>,
}

impl Element for VcpuEntry {
    fn read(node: &mut Node<'_>) -> Result<Self> {
        let id = node.required("id")?;
        let enabled: YesNo = node.required("enabled")?;
        Ok(Self {
            id,
            enabled,
            hotpluggable: node
                .attr("hotpluggable")?
                .unwrap_or_else(|| YesNo::from(!enabled.is_yes())),
            order: node.attr("order")?,
        })
    }

    fn attrs(&self, tag: &mut Tag<'_>) {
        tag.attr("id", &self.id);
        tag.attr("enabled", &self.enabled);
        tag.attr("hotpluggable", &self.hotpluggable);
        tag.maybe("order", &self.order);
    }

    fn content(&self, _out: &mut Writer) {}
}

/// `<iothreadids>`.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct IothreadIds {
    /// The threads.
    #[xml(child = "iothread")]
    pub list: Vec<Iothread>,
}

/// An I/O thread.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Iothread {
    /// Its number, from 1.
    #[xml(attr)]
    pub id: u32,
    /// Least number of worker threads.
    #[xml(attr)]
    pub thread_pool_min: Option<u32>,
    /// Largest number of worker threads.
    #[xml(attr)]
    pub thread_pool_max: Option<u32>,
    /// How it polls.
    #[xml(child)]
    pub poll: Option<Poll>,
}

/// `<poll/>`: nanoseconds and factors.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct Poll {
    /// Longest time of polling, ns.
    #[xml(attr)]
    pub max: Option<u64>,
    /// How the time grows.
    #[xml(attr)]
    pub grow: Option<u64>,
    /// How it shrinks.
    #[xml(attr)]
    pub shrink: Option<u64>,
}

/// `<defaultiothread/>`: QEMU's own loop.
#[derive(Debug, Clone, Default, PartialEq, Element)]
pub struct DefaultIothread {
    /// Least number of worker threads.
    #[xml(attr)]
    pub thread_pool_min: Option<u32>,
    /// Largest number of worker threads.
    #[xml(attr)]
    pub thread_pool_max: Option<u32>,
}
