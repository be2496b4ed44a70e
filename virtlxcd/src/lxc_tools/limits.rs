//! Limits of control groups, by the names of their files in both of the kernel's versions where they
//! mean the same.

use virt_error::Result;
use virt_xml::{Tag, Writer};

use super::settings::Settings;
use super::wrong;

/// All limits.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Of memory.
    pub memory: Memory,
    weight: Option<String>,
    devices: Vec<OfDevice>,
    processors: Option<String>,
    nodes: Option<String>,
    cpu: Vec<(&'static str, String)>,
}

/// Limits of one block device.
#[derive(Debug)]
struct OfDevice {
    path: String,
    /// Elements and what they hold.
    limits: Vec<(&'static str, String)>,
}

/// Limits of memory, in KiB.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What it may have at most.
    pub hard: Option<u64>,
    soft: Option<u64>,
    swap: Option<u64>,
}

/// Limits of one device: the file's name, the element.
const OF_DEVICES: [(&str, &str); 5] = [
    ("blkio.weight_device", "weight"),
    ("blkio.throttle.read_bps_device", "read_bytes_sec"),
    ("blkio.throttle.write_bps_device", "write_bytes_sec"),
    ("blkio.throttle.read_iops_device", "read_iops_sec"),
    ("blkio.throttle.write_iops_device", "write_iops_sec"),
];

/// What a configuration says.
///
/// # Errors
/// INVALID_ARG naming the key.
pub(super) fn of(settings: &Settings) -> Result<Limits> {
    let one = |file: &str| {
        settings
            .last(&format!("lxc.cgroup.{file}"))
            .map(str::to_owned)
    };
    let size = |file: &str| {
        let Some(text) = one(file) else {
            return Ok(None);
        };
        let bytes = bytes(&text);
        let key = format!("lxc.cgroup.{file}");
        bytes
            .map(|bytes| Some(bytes >> 10))
            .ok_or_else(|| wrong(&key, &text, "a size such as 512M"))
    };
    let cpu = [
        ("cpu.shares", "shares"),
        ("cpu.cfs_period_us", "period"),
        ("cpu.cfs_quota_us", "quota"),
    ];
    Ok(Limits {
        memory: Memory {
            hard: size("memory.limit_in_bytes")?,
            soft: size("memory.soft_limit_in_bytes")?,
            swap: size("memory.memsw.limit_in_bytes")?,
        },
        weight: one("blkio.weight"),
        devices: devices(settings)?,
        processors: one("cpuset.cpus"),
        nodes: one("cpuset.mems"),
        cpu: cpu
            .into_iter()
            .filter_map(|(file, element)| Some((element, one(file)?)))
            .collect(),
    })
}

/// A number with one of the endings that the kernel takes.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G']);
    let shift = match text.get(digits.len()..)? {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Limits by device, in the order in which devices are named first.
fn devices(settings: &Settings) -> Result<Vec<OfDevice>> {
    let mut all: Vec<OfDevice> = Vec::new();
    for (file, value) in settings.below("lxc.cgroup.") {
        let element = OF_DEVICES.iter().find(|(name, _)| *name == file);
        let Some((_, element)) = element else {
            continue;
        };
        let parts: Vec<&str> = value.split_whitespace().collect();
        let is_device = |text: &str| {
            let numbers = text.split_once(':');
            numbers.is_some_and(|(a, b)| [a, b].iter().all(|n| n.parse::<u32>().is_ok()))
        };
        let [device, limit] = parts[..] else {
            return Err(wrong(
                &format!("lxc.cgroup.{file}"),
                value,
                "a device and a number",
            ));
        };
        if !is_device(device) {
            return Err(wrong(
                &format!("lxc.cgroup.{file}"),
                value,
                "a device such as 8:0",
            ));
        }
        // The kernel's own names of block devices by number.
        let path = format!("/dev/block/{device}");
        let at = all.iter().position(|known| known.path == path);
        let at = at.unwrap_or_else(|| {
            all.push(OfDevice {
                path,
                limits: Vec::new(),
            });
            all.len() - 1
        });
        if let Some(device) = all.get_mut(at) {
            device.limits.push((element, limit.to_owned()));
        }
    }
    Ok(all)
}

impl Limits {
    /// Writes the elements, in the order of a domain's document.
    pub fn write(&self, out: &mut Writer) {
        let plain = |_: &mut Tag<'_>| {};
        if self.weight.is_some() || !self.devices.is_empty() {
            out.open("blkiotune", plain, |out| {
                if let Some(weight) = &self.weight {
                    out.text_element("weight", weight);
                }
                for device in &self.devices {
                    out.open("device", plain, |out| {
                        out.text_element("path", &device.path);
                        for (name, limit) in &device.limits {
                            out.text_element(name, limit);
                        }
                    });
                }
            });
        }
        let memory = [
            ("hard_limit", self.memory.hard),
            ("soft_limit", self.memory.soft),
            ("swap_hard_limit", self.memory.swap),
        ];
        if memory.iter().any(|(_, limit)| limit.is_some()) {
            out.open("memtune", plain, |out| {
                for (name, limit) in memory {
                    if let Some(limit) = limit {
                        let unit = |tag: &mut Tag<'_>| tag.text("unit", "KiB");
                        out.open(name, unit, |out| out.text(&limit));
                    }
                }
            });
        }
        let attrs = |tag: &mut Tag<'_>| {
            if let Some(processors) = &self.processors {
                tag.text("cpuset", processors);
            }
        };
        out.open("vcpu", attrs, |out| out.text(&1_u32));
        if !self.cpu.is_empty() {
            out.open("cputune", plain, |out| {
                for (name, value) in &self.cpu {
                    out.text_element(name, value);
                }
            });
        }
        if let Some(nodes) = &self.nodes {
            out.open("numatune", plain, |out| {
                let attrs = |tag: &mut Tag<'_>| {
                    tag.text("mode", "strict");
                    tag.text("nodeset", nodes);
                };
                out.open("memory", attrs, |_| {});
            });
        }
    }
}
