//! CPU caches, and how they can be divided among guests.

use virt_xml::Element;

use crate::cpuset::CpuSet;
use crate::sysfs::Tree;

use super::resctrl;
use super::size::scaled;

/// The element.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Caches {
    /// The caches.
    #[xml(child = "bank")]
    pub banks: Vec<Bank>,
    /// What can be watched.
    #[xml(child)]
    pub monitor: Option<Monitor>,
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Bank {
    /// Its number among those of its level.
    #[xml(attr)]
    pub id: u32,
    /// 2 and more.
    #[xml(attr)]
    pub level: u32,
    /// `both`, `code` or `data`.
    #[xml(attr = "type")]
    pub kind: String,
    /// Its size.
    #[xml(attr)]
    pub size: u64,
    /// Of what.
    #[xml(attr)]
    pub unit: String,
    /// The CPUs that share it.
    #[xml(attr)]
    pub cpus: String,
    /// How it can be divided.
    #[xml(child = "control")]
    pub controls: Vec<Control>,
    /// Its size in bytes.
    #[xml(skip)]
    pub bytes: u64,
}

/// How a cache can be divided.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Control {
    /// The smallest step.
    #[xml(attr)]
    pub granularity: u64,
    /// The smallest part, when it is more than a step.
    #[xml(attr)]
    pub min: Option<u64>,
    /// Of both.
    #[xml(attr)]
    pub unit: String,
    /// `both`, `code` or `data`.
    #[xml(attr = "type")]
    pub kind: String,
    /// Into how many parts.
    #[xml(attr = "maxAllocs")]
    pub max_allocs: u32,
}

/// What can be watched.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct Monitor {
    /// The level of the cache.
    #[xml(attr)]
    pub level: Option<u32>,
    /// The occupancy below which a monitor can be used again, bytes.
    #[xml(attr = "reuseThreshold")]
    pub reuse_threshold: Option<u64>,
    /// How many at once.
    #[xml(attr = "maxMonitors")]
    pub max_monitors: u32,
    /// What they tell.
    #[xml(child = "feature")]
    pub features: Vec<MonitorFeature>,
}

/// Something that can be watched, by the kernel's name.
#[derive(Debug, Clone, PartialEq, Element)]
pub struct MonitorFeature {
    /// Its name.
    #[xml(attr)]
    pub name: String,
}

impl Caches {
    /// The host's caches of level 2 and more; `None` when the kernel doesn't tell of any.
    pub fn read(tree: &Tree) -> Option<Self> {
        let mut banks: Vec<Bank> = Vec::new();
        for cpu in tree.numbered("/sys/devices/system/cpu", "cpu") {
            let folder = format!("/sys/devices/system/cpu/cpu{cpu}/cache");
            for index in tree.numbered(&folder, "index") {
                let Some(bank) = bank(tree, &format!("{folder}/index{index}")) else {
                    continue;
                };
                let known = |other: &Bank| {
                    (other.level, &other.kind, other.id) == (bank.level, &bank.kind, bank.id)
                };
                if !banks.iter().any(known) {
                    banks.push(bank);
                }
            }
        }
        banks.sort_by_key(|bank| (bank.level, bank.id));
        for bank in &mut banks {
            bank.controls = resctrl::controls(tree, bank);
        }
        (!banks.is_empty()).then(|| Self {
            banks,
            monitor: resctrl::monitor(tree, |name| name.starts_with("llc_")).map(|monitor| {
                Monitor {
                    level: Some(3),
                    reuse_threshold: Some(resctrl::reuse_threshold(tree)),
                    ..monitor
                }
            }),
        })
    }
}

fn bank(tree: &Tree, folder: &str) -> Option<Bank> {
    let line = |name: &str| tree.line(&format!("{folder}/{name}"));
    let level: u32 = line("level")?.parse().ok()?;
    if level < 2 {
        return None;
    }
    let kind = match line("type")?.as_str() {
        "Unified" => "both",
        "Instruction" => "code",
        "Data" => "data",
        _ => return None,
    };
    let bytes = bytes(&line("size")?)?;
    let (size, unit) = scaled(bytes);
    Some(Bank {
        id: line("id")?.parse().ok()?,
        level,
        kind: kind.to_owned(),
        size,
        unit: unit.to_owned(),
        cpus: CpuSet::parse(&line("shared_cpu_list")?)?.to_string(),
        controls: Vec::new(),
        bytes,
    })
}

/// `1024K`, `33M`.
fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_kernels_suffixes() {
        assert_eq!(bytes("1024K"), Some(1 << 20));
        assert_eq!(bytes("33M"), Some(33 << 20));
        assert_eq!(bytes("x"), None);
        assert_eq!(bytes("99999999999999999G"), None);
    }
}
