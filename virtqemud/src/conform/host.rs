//! Operations about hosts, binaries and CPUs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use virt_domain::Arch;
use virt_error::Error;
use virt_host::capabilities::{
    Caches, Capabilities, HostCapabilities, HostCpu, Iommu, MemoryBandwidth, Migration, NodeMemory,
    PowerManagement, Topology,
};
use virt_host::cpu::{
    Comparison, Cpu, CpuData, CpuMap, Definition, Key, Offered, Purpose, baseline, compare, decode,
};
use virt_host::{Pages, sysfs};

use super::{Failure, cgroups, guest_cpu, qemucaps, transcript};
use crate::caps::{CapFlag, QemuCaps};
use crate::domcaps::{self, Request, Surroundings};
use crate::host_model::LeftOut;
use crate::{capabilities, firmware};

/// The tool's arguments, as these operations take them.
pub(super) struct Arguments {
    options: HashMap<String, String>,
    inputs: Vec<String>,
    pub(super) settings: Value,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut arguments = arguments;
        let (mut options, mut inputs) = (HashMap::new(), Vec::new());
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                Some(name) => {
                    let value = arguments.next().unwrap_or_default();
                    options.insert(name.to_owned(), value);
                }
                None => inputs.push(argument),
            }
        }
        let settings = match options.get("settings") {
            Some(path) => serde_json::from_str(&text(path)?)
                .map_err(|e| Failure::Usage(format!("{path}: {e}")))?,
            None => Value::Null,
        };
        Ok(Self {
            options,
            inputs,
            settings,
        })
    }

    pub(super) fn option(&self, name: &str) -> &str {
        self.options.get(name).map_or("", String::as_str)
    }

    pub(super) fn input(&self, at: usize) -> Result<String, Failure> {
        let path = self
            .inputs
            .get(at)
            .ok_or_else(|| Failure::Usage(format!("input {} is missing", at + 1)))?;
        text(path)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.settings.get(name) == Some(&Value::Bool(true))
    }

    pub(super) fn words(&self, name: &str) -> Option<Vec<String>> {
        let list = self.settings.get(name)?.as_array()?;
        Some(
            list.iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect(),
        )
    }

    fn caps(&self) -> Result<QemuCaps, Failure> {
        let path = self.option("caps");
        let sessions = transcript::sessions(&text(path)?).map_err(Failure::Usage)?;
        let main = sessions
            .first()
            .ok_or_else(|| Failure::Usage("an empty transcript".to_owned()))?;
        let hvf = path.contains("+hvf") || self.flag("hvf_available");
        let emulator = self.option("emulator");
        let mut caps = QemuCaps::from_sessions(emulator, main, sessions.get(1), hvf)
            .map_err(Failure::Refused)?;
        for (key, present) in [("caps_add", true), ("caps_del", false)] {
            for name in self.words(key).unwrap_or_default() {
                if let Some(flag) = CapFlag::from_name(&name) {
                    caps.flags.set(flag, present);
                }
            }
        }
        Ok(caps)
    }
}

pub(super) fn text(path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::Usage(format!("{path}: {e}")))
}

pub(super) fn map() -> Result<CpuMap, Failure> {
    CpuMap::load(Path::new(CpuMap::FOLDER)).map_err(Failure::Refused)
}

/// Runs an operation, if it is one of these.
pub(super) fn run(
    op: &str,
    arguments: impl Iterator<Item = String>,
) -> Option<Result<String, Failure>> {
    let operation: fn(&Arguments) -> Result<String, Failure> = match op {
        "hostcaps" => hostcaps,
        "qemucaps2caps" => guest_capabilities,
        "domcaps" => domain_capabilities,
        "cpu-decode" => decode_cpu,
        "cpu-signature" => signature,
        "cpu-from-qmp" => from_qmp,
        "cpu-compare" => compare_cpus,
        "cpu-update" => |arguments| guest_cpu::run(arguments, false),
        "cpu-guest" => |arguments| guest_cpu::run(arguments, true),
        "qemucaps-probe" => |arguments| Ok(qemucaps::document(&arguments.caps()?)),
        "cgroup-detect" => cgroups::detect,
        "cgroup-self" => cgroups::of_self,
        "cgroup-partition-path" => cgroups::partition_path,
        "lockspace" => lock_space,
        "cpu-has-feature" => has_feature,
        "cpu-baseline" => baseline_of,
        "cpu-baseline-pair" => baseline_of_pair,
        _ => return None,
    };
    Some(Arguments::parse(arguments).and_then(|arguments| operation(&arguments)))
}

/// Plays lock operations as virtlockd would do them.
fn lock_space(arguments: &Arguments) -> Result<String, Failure> {
    let steps = arguments.settings.get("steps").cloned().unwrap_or_default();
    let outcomes = virtlockd::scenario::play(steps).map_err(Failure::Usage)?;
    Ok(outcomes.to_string())
}

fn bare_host(cpu: HostCpu) -> HostCapabilities {
    HostCapabilities {
        uuid: None,
        cpu,
        power_management: Some(PowerManagement::default()),
        iommu: Some(Iommu {
            support: false.into(),
        }),
        migration_features: None,
        topology: None,
        cache: None,
        memory_bandwidth: None,
        secmodels: Vec::new(),
    }
}

fn hostcaps(arguments: &Arguments) -> Result<String, Failure> {
    let tree = sysfs::Tree::at(arguments.option("sysroot"));
    let cache = Caches::read(&tree);
    // The made-up memory of made-up nodes.
    let mut topology = Topology::with_memory(&tree, |node| {
        let node = u64::from(node);
        let pages = [4, 2048, 1_048_576].into_iter().zip(0..);
        NodeMemory {
            kib: Some((node + 1) << 20),
            pages: pages
                .map(|(size, at)| Pages {
                    size,
                    total: 2048 * (node + 1 + at),
                    free: 1024 * (node + 1 + at),
                })
                .collect(),
        }
    });
    for cell in &mut topology.cells.cells {
        cell.distances = None;
    }
    let (live, offline) = (
        arguments.flag("live_migrate"),
        arguments.flag("offline_migrate"),
    );
    let host = HostCapabilities {
        migration_features: (live || offline).then_some(Migration {
            live,
            uri_transports: None,
        }),
        topology: Some(topology),
        memory_bandwidth: MemoryBandwidth::read(&tree, cache.as_ref()),
        cache,
        ..bare_host(HostCpu::unknown(arguments.option("arch")))
    };
    let guests = Vec::new();
    Ok(Capabilities { host, guests }.to_xml())
}

fn guest_capabilities(arguments: &Arguments) -> Result<String, Failure> {
    let caps = arguments.caps()?;
    let arch = arguments.option("arch");
    let mut guest = capabilities::guest(&caps, arch);
    if arguments.flag("omit_machines") {
        guest.arch.machines.clear();
    }
    let document = Capabilities {
        host: bare_host(HostCpu::unknown(arch)),
        guests: vec![guest],
    };
    Ok(document.to_xml())
}

fn domain_capabilities(arguments: &Arguments) -> Result<String, Failure> {
    let caps = arguments.caps()?;
    let given = |name: &str| Some(arguments.option(name)).filter(|text| !text.is_empty());
    let request = Request::new(
        None,
        given("arch"),
        given("machine").map(str::to_owned),
        given("virttype"),
    )
    .map_err(Failure::Refused)?;
    let subject = request.about(&caps).map_err(Failure::Refused)?;
    let root = Path::new(arguments.option("fixtures")).join("root");
    let named = arguments.settings.get("host_cpu").and_then(Value::as_str);
    let surroundings = Surroundings {
        firmware: firmware::load(&firmware::folders(&root, None)).map_err(Failure::Refused)?,
        known_loaders: Vec::new(),
        loader_paths: arguments.words("loader_paths"),
        cpu_map: Some(Arc::new(map()?)),
        host_model: named.map(|model| virt_host::cpu::Named {
            model: model.to_owned(),
            ..virt_host::cpu::Named::default()
        }),
        address_bits: Some(64),
        kvm_max_vcpus: Some(2_147_483_647),
        swtpm_versions: arguments.words("swtpm_versions").unwrap_or_default(),
        qemu_rdp: true,
        pci_backends: arguments.words("pci_backends").unwrap_or_default(),
        gic_versions: vec!["3".to_owned()],
        s390_pv: subject.arch == Arch::S390x,
        sev_guests: (59, 450),
    };
    Ok(domcaps::describe(&subject, &surroundings).to_xml())
}

/// `<cpudata>`.
fn cpu_data(xml: &str) -> Result<CpuData, Error> {
    let tree = virt_xml::parse(xml)?;
    let mut data = CpuData::default();
    for element in tree.elements() {
        let number = |name: &str| element.attribute(name).map_or(0, hexadecimal);
        let registers = ["eax", "ebx", "ecx", "edx"].map(number);
        match element.name.as_str() {
            "cpuid" => {
                let key = Key::Leaf {
                    eax_in: number("eax_in"),
                    ecx_in: number("ecx_in"),
                };
                data.set(key, registers);
            }
            "msr" => {
                let [eax, _, _, edx] = registers;
                data.set(Key::Msr(number("index")), [eax, edx, 0, 0]);
            }
            _ => {}
        }
    }
    Ok(data)
}

fn hexadecimal(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
}

fn signature(arguments: &Arguments) -> Result<String, Failure> {
    let data = cpu_data(&arguments.input(0)?).map_err(Failure::Refused)?;
    let signature = data
        .signature()
        .ok_or_else(|| Failure::Usage("no leaf 1".to_owned()))?;
    let line = |name: &str, value: u32| format!("{name:<10}{value:>3} (0x{value:02x})\n");
    Ok(format!("{:06x}\n", signature.to_eax())
        + &line("family:", signature.family)
        + &line("model:", signature.model)
        + &line("stepping:", signature.stepping))
}

fn decode_cpu(arguments: &Arguments) -> Result<String, Failure> {
    let map = map()?;
    let data = cpu_data(&arguments.input(0)?).map_err(Failure::Refused)?;
    if arguments.option("kind") == "host" {
        let cpu = HostCpu::named("x86_64", &data, Some(&map));
        return Ok(virt_xml::write("cpu", &cpu));
    }
    let models = match arguments.option("qmp") {
        "" => Vec::new(),
        path => qmp_models(&text(path)?)?,
    };
    let cpu = Cpu::of(&map.x86, &data);
    named_cpu(&map, &cpu, &models)
}

/// The replies of a `.json` file: the expansion of the host's CPU, perhaps the definitions.
fn replies(json: &str) -> Result<Vec<Value>, Failure> {
    serde_json::Deserializer::from_str(json)
        .into_iter::<Value>()
        .map(|reply| {
            let reply = reply.map_err(|e| Failure::Usage(e.to_string()))?;
            Ok(reply.get("return").cloned().unwrap_or_default())
        })
        .collect()
}

fn qmp_models(json: &str) -> Result<Vec<crate::caps::CpuModel>, Failure> {
    let replies = replies(json)?;
    let models = replies.iter().find(|reply| reply.is_array());
    Ok(crate::caps::cpu_models(models))
}

fn from_qmp(arguments: &Arguments) -> Result<String, Failure> {
    let map = map()?;
    let json = arguments.input(0)?;
    let replies = replies(&json)?;
    let host = replies
        .iter()
        .find_map(crate::caps::expanded_cpu)
        .ok_or_else(|| Failure::Usage("no expansion".to_owned()))?;
    let models = match arguments.flag("use_query_cpu_definitions") {
        true => qmp_models(&json)?,
        false => Vec::new(),
    };
    let cpu = crate::host_model::described(&map.x86, &host, LeftOut::default());
    named_cpu(&map, &cpu, &models)
}

fn named_cpu(map: &CpuMap, cpu: &Cpu, models: &[crate::caps::CpuModel]) -> Result<String, Failure> {
    let offers: Vec<_> = models.iter().map(crate::host_model::offer).collect();
    let offers = (!offers.is_empty()).then_some(offers.as_slice());
    let named = decode::name(&map.x86, cpu, Purpose::Guest, offers)
        .ok_or_else(|| Failure::Usage("no model fits".to_owned()))?;
    let mut out = virt_xml::Writer::new();
    out.open(
        "cpu",
        |tag| {
            tag.text("mode", "custom");
            tag.text("match", "exact");
        },
        |out| named.write(out, false),
    );
    Ok(out.finish())
}

fn described(arguments: &Arguments, at: usize) -> Result<Definition, Failure> {
    Definition::read(&arguments.input(at)?).map_err(Failure::Refused)
}

fn compare_cpus(arguments: &Arguments) -> Result<String, Failure> {
    let map = map()?;
    let host = Offered::described(&map.x86, &described(arguments, 0)?).map_err(Failure::Refused)?;
    let cpu = described(arguments, 1)?;
    let comparison = compare::compare(&map.x86, &host, &cpu).map_err(Failure::Refused)?;
    Ok(match comparison {
        Comparison::Identical => "identical\n".to_owned(),
        Comparison::Superset => "superset\n".to_owned(),
        Comparison::Incompatible(_) => "incompatible\n".to_owned(),
    })
}

fn has_feature(arguments: &Arguments) -> Result<String, Failure> {
    let map = map()?;
    let host = Offered::described(&map.x86, &described(arguments, 0)?).map_err(Failure::Refused)?;
    let name = arguments.inputs.get(1).map_or("", String::as_str);
    let has = map
        .x86
        .feature(name)
        .is_some_and(|feature| host.features.contains(feature));
    Ok(if has { "yes\n" } else { "no\n" }.to_owned())
}

fn baseline_of(arguments: &Arguments) -> Result<String, Failure> {
    let tree = virt_xml::parse(&arguments.input(0)?).map_err(Failure::Refused)?;
    let cpus: Result<Vec<_>, _> = tree
        .elements()
        .map(|cpu| Definition::read(&cpu.to_xml(0)))
        .collect();
    common(arguments, &cpus.map_err(Failure::Refused)?)
}

fn baseline_of_pair(arguments: &Arguments) -> Result<String, Failure> {
    common(
        arguments,
        &[described(arguments, 0)?, described(arguments, 1)?],
    )
}

fn common(arguments: &Arguments, cpus: &[Definition]) -> Result<String, Failure> {
    let manner = baseline::Manner {
        expanded: arguments.flag("expand_features"),
        migratable: arguments.flag("migratable"),
    };
    baseline::baseline(&map()?.x86, cpus, None, manner)
        .map(|found| found.to_xml())
        .map_err(Failure::Refused)
}
