//! `cpu-update` and `cpu-guest`: a guest's CPU on a described host, through the code of a start.

use super::Failure;
use super::host::{Arguments, map};
use crate::guest_cpu;
use virt_domain::cpu::{Cpu, CpuMatch, CpuMode, Fallback};
use virt_host::cpu::{Definition, Named};

/// Decides what the guest's CPU leaves to the host; `translated` says it by the models of the
/// settings too.
pub(super) fn run(arguments: &Arguments, translated: bool) -> Result<String, Failure> {
    let map = map()?;
    let host = Definition::read_host(&arguments.input(0)?).map_err(Failure::Refused)?;
    let (mut cpu, _) = virt_xml::read::<Cpu>(&arguments.input(1)?).map_err(Failure::Refused)?;
    let mode = *cpu.mode.get_or_insert(CpuMode::Custom);
    if mode == CpuMode::Custom {
        cpu.matching.get_or_insert(CpuMatch::Exact);
        if let Some(model) = &mut cpu.model {
            model.fallback.get_or_insert(Fallback::Allow);
        }
    }
    if host.arch.as_deref() == Some("x86_64") {
        on_x86(arguments, &map.x86, &host, &mut cpu, translated)?;
    }
    Ok(virt_xml::write("cpu", &cpu))
}

fn on_x86(
    arguments: &Arguments,
    map: &virt_host::cpu::map::X86,
    host: &Definition,
    cpu: &mut Cpu,
    translated: bool,
) -> Result<(), Failure> {
    let mut named = Named {
        model: host.model.clone().unwrap_or_default(),
        vendor: host.vendor.clone(),
        extra: host.features.iter().map(|(name, _)| name.clone()).collect(),
        missing: Vec::new(),
    };
    if arguments.flag("migratable_host") {
        let stays = map.not_migratable();
        named.extra.retain(|name| {
            map.feature(name)
                .is_none_or(|feature| !stays.contains(feature))
        });
    }
    let base = map.model(&named.model);
    let mut features = base.map(|base| base.features.clone()).unwrap_or_default();
    for feature in named.extra.iter().filter_map(|name| map.feature(name)) {
        features.insert(feature);
    }
    match cpu.mode {
        Some(CpuMode::HostModel) => guest_cpu::take_hosts(cpu, named),
        Some(CpuMode::Custom) => guest_cpu::custom(cpu, Some(named), &features, map),
        _ => {}
    }
    if let Some(models) = arguments.words("models").filter(|_| translated) {
        let models: Vec<&str> = models.iter().map(String::as_str).collect();
        guest_cpu::translate(cpu, map, &models).map_err(Failure::Later)?;
    }
    Ok(())
}
