//! The machine types of a QEMU binary.

use super::source::array;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One machine type, as `query-machines` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Canonical name, such as `pc-q35-10.0`.
    pub name: String,
    /// The short name that stands for it, such as `q35`.
    pub alias: Option<String>,
    /// Whether virtual CPUs can be plugged in one by one.
    pub hotplug_cpus: bool,
    /// Largest number of virtual CPUs.
    pub max_cpus: u32,
    /// Whether QEMU takes it when none is named.
    pub default: bool,
    /// Type name of the CPU that it has when none is named.
    pub default_cpu: Option<String>,
    /// Whether NUMA nodes may be given their memory by size (`mem=`).
    pub numa_mem: bool,
    /// Id of the memory back end that makes up its RAM.
    pub default_ram_id: Option<String>,
    /// Whether QEMU discourages its use.
    pub deprecated: bool,
    /// Whether it has ACPI; not said by older binaries.
    pub acpi: Option<bool>,
}

/// The machine types of `query-machines`, the default one first; `none` is left out.
pub(super) fn machines(reply: Option<&Value>) -> Vec<Machine> {
    let mut machines: Vec<_> = array(reply).iter().filter_map(machine).collect();
    if let Some(at) = machines.iter().position(|m| m.default) {
        machines[..=at].rotate_right(1);
    }
    machines
}

fn machine(from: &Value) -> Option<Machine> {
    let text = |key: &str| from.get(key).and_then(Value::as_str).map(str::to_owned);
    let flag = |key: &str| from.get(key).and_then(Value::as_bool);
    let name = text("name").filter(|name| name != "none")?;
    Some(Machine {
        name,
        alias: text("alias"),
        hotplug_cpus: flag("hotpluggable-cpus").unwrap_or(false),
        max_cpus: from
            .get("cpu-max")
            .and_then(Value::as_u64)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        default: flag("is-default").unwrap_or(false),
        default_cpu: text("default-cpu-type"),
        numa_mem: flag("numa-mem-supported").unwrap_or(false),
        default_ram_id: text("default-ram-id"),
        deprecated: flag("deprecated").unwrap_or(false),
        acpi: flag("acpi"),
    })
}
