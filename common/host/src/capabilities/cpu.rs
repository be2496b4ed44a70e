//! The `<cpu>` of the host.

use virt_xml::{Element, YesNo};

use crate::Host;
use crate::cpu::{self, CpuData, CpuMap, Key, Purpose, Signature};
use crate::kvm::{Kvm, Tsc};
use crate::sysfs::Tree;

use super::size::PageSize;

/// Architectural capabilities (Intel SDM): whose absence of flaws the processor vouches for.
const ARCH_CAPABILITIES: u32 = 0x10a;

/// The element.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct HostCpu {
    /// The architecture.
    #[xml(child_text)]
    pub arch: String,
    /// The model it is nearest to.
    #[xml(child_text)]
    pub model: Option<String>,
    /// Its maker.
    #[xml(child_text)]
    pub vendor: Option<String>,
    /// The version of its microcode.
    #[xml(child)]
    pub microcode: Option<Microcode>,
    /// Family, model, stepping.
    #[xml(child)]
    pub signature: Option<SignatureElement>,
    /// Its clock.
    #[xml(child)]
    pub counter: Option<Counter>,
    /// How it is built.
    #[xml(child)]
    pub topology: Option<CpuTopology>,
    /// Physical address bits.
    #[xml(child)]
    pub maxphysaddr: Option<MaxPhysAddr>,
    /// What it has beyond the model.
    #[xml(child = "feature")]
    pub features: Vec<Feature>,
    /// The page sizes.
    #[xml(child = "pages")]
    pub pages: Vec<PageSize>,
}

/// Version of the microcode.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Microcode {
    /// Its number.
    #[xml(attr)]
    pub version: u32,
}

/// Family, model, stepping.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct SignatureElement {
    /// The family.
    #[xml(attr)]
    pub family: u32,
    /// The model.
    #[xml(attr)]
    pub model: u32,
    /// The stepping.
    #[xml(attr)]
    pub stepping: u32,
}

impl From<Signature> for SignatureElement {
    fn from(signature: Signature) -> Self {
        Self {
            family: signature.family,
            model: signature.model,
            stepping: signature.stepping,
        }
    }
}

/// A clock.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Counter {
    /// `tsc`.
    #[xml(attr)]
    pub name: String,
    /// Ticks per second.
    #[xml(attr)]
    pub frequency: u64,
    /// Whether guests can be given another rate.
    #[xml(attr)]
    pub scaling: YesNo,
}

impl From<Tsc> for Counter {
    fn from(tsc: Tsc) -> Self {
        Self {
            name: "tsc".to_owned(),
            frequency: tsc.frequency,
            scaling: tsc.scaling.into(),
        }
    }
}

/// Sockets (of one NUMA node), dies, clusters, cores, threads.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct CpuTopology {
    /// Per NUMA node.
    #[xml(attr)]
    pub sockets: u32,
    /// Per socket.
    #[xml(attr)]
    pub dies: u32,
    /// Per die.
    #[xml(attr)]
    pub clusters: u32,
    /// Per cluster.
    #[xml(attr)]
    pub cores: u32,
    /// Per core.
    #[xml(attr)]
    pub threads: u32,
}

/// Physical address bits.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct MaxPhysAddr {
    /// `emulate`: a guest can be given as many.
    #[xml(attr)]
    pub mode: String,
    /// How many.
    #[xml(attr)]
    pub bits: u32,
}

/// A feature by name.
#[derive(Debug, Clone, PartialEq, Eq, Element)]
pub struct Feature {
    /// Its name.
    #[xml(attr)]
    pub name: String,
}

impl HostCpu {
    /// A CPU of which only the architecture is known.
    pub fn unknown(arch: &str) -> Self {
        Self {
            arch: arch.to_owned(),
            model: None,
            vendor: None,
            microcode: None,
            signature: None,
            counter: None,
            topology: None,
            maxphysaddr: None,
            features: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// The CPU that `data` shows, by name when there is a map of names.
    pub fn named(arch: &str, data: &CpuData, map: Option<&CpuMap>) -> Self {
        let mut element = Self::unknown(arch);
        let Some(map) = map else {
            return element;
        };
        let cpu = cpu::Cpu::of(&map.x86, data);
        element.signature = data.signature().map(Into::into);
        if let Some(named) = cpu::decode::name(&map.x86, &cpu, Purpose::Host, None) {
            element.model = Some(named.model);
            element.vendor = named.vendor;
            let feature = |name| Feature { name };
            element.features = named.extra.into_iter().map(feature).collect();
        }
        element
    }

    /// What the host's CPU has: CPUID of the processor that we run on, and the architectural
    /// capabilities of the first one.
    pub fn data(host: &Host, kvm: Option<&Kvm>) -> CpuData {
        let mut data = cpu::cpuid::read();
        if let Some(value) = feature_register(host.tree(), kvm, ARCH_CAPABILITIES) {
            let halves = [value as u32, (value >> 32) as u32, 0, 0];
            data.set(Key::Msr(ARCH_CAPABILITIES), halves);
        }
        data
    }

    /// The host's CPU.
    pub fn read(host: &Host, map: Option<&CpuMap>, kvm: Option<&Kvm>) -> Self {
        let data = Self::data(host, kvm);
        let mut element = Self::named(host.machine(), &data, map);
        let cpuinfo = host.tree().text("/proc/cpuinfo").unwrap_or_default();
        element.microcode = microcode(&cpuinfo).map(|version| Microcode { version });
        element.counter = kvm.and_then(Kvm::tsc).map(Into::into);
        element.topology = host.node_info().ok().map(|info| CpuTopology {
            sockets: info.sockets,
            dies: 1,
            clusters: 1,
            cores: info.cores,
            threads: info.threads,
        });
        element.maxphysaddr = physical_bits(&cpuinfo).map(|bits| MaxPhysAddr {
            mode: "emulate".to_owned(),
            bits,
        });
        element.pages = host
            .page_sizes()
            .into_iter()
            .map(|size| PageSize::new(size, None))
            .collect();
        element
    }
}

/// Of the first processor, read from its device where that is there, else from KVM.
fn feature_register(tree: &Tree, kvm: Option<&Kvm>, index: u32) -> Option<u64> {
    use std::os::unix::fs::FileExt;
    let mut bytes = [0; 8];
    let device = std::fs::File::open(tree.path("/dev/cpu/0/msr"));
    match device.and_then(|file| file.read_exact_at(&mut bytes, index.into())) {
        Ok(()) => Some(u64::from_ne_bytes(bytes)),
        Err(_) => kvm?.feature_register(index),
    }
}

fn field<'a>(cpuinfo: &'a str, key: &str) -> Option<&'a str> {
    cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then_some(value.trim())
    })
}

fn microcode(cpuinfo: &str) -> Option<u32> {
    let text = field(cpuinfo, "microcode")?;
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Physical address bits that `/proc/cpuinfo` tells (`address sizes: 48 bits physical, …`).
pub fn physical_bits(cpuinfo: &str) -> Option<u32> {
    let sizes = field(cpuinfo, "address sizes")?;
    sizes.split_once(" bits physical")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_summary_tells_microcode_and_address_bits() {
        let text = "processor\t: 0\nmicrocode\t: 0x1000065\naddress sizes\t: 48 bits physical, 57 bits virtual\n";
        assert_eq!(microcode(text), Some(0x0100_0065));
        assert_eq!(physical_bits(text), Some(48));
        assert_eq!(physical_bits("processor: 0\n"), None);
    }
}
