//! Checks of the CPU.

use super::Context;
use super::refusal::{unsupported, xml_error};
use virt_domain::Domain;
use virt_domain::cpu::{Cpu, CpuCacheMode, CpuMode, MaxPhysAddrMode};
use virt_error::Result;

pub(super) fn check(domain: &Domain, _context: &Context) -> Result<()> {
    let Some(cpu) = &domain.cpu else {
        return Ok(());
    };
    if !cpu.features.is_empty() && cpu.mode.is_none() && cpu.model.is_none() {
        return Err(xml_error(
            "Non-empty feature list specified without CPU model",
        ));
    }
    cache(cpu)?;
    width(cpu)
}

fn is_hosts(cpu: &Cpu) -> bool {
    matches!(cpu.mode, Some(CpuMode::HostPassthrough | CpuMode::Maximum))
}

fn cache(cpu: &Cpu) -> Result<()> {
    let Some(cache) = cpu.cache else {
        return Ok(());
    };
    if cache.level.is_some_and(|level| !(1..=3).contains(&level)) {
        return Err(xml_error("invalid CPU cache level, must be in range [1,3]"));
    }
    match cache.mode {
        CpuCacheMode::Emulate if cache.level != Some(3) => Err(unsupported(
            "CPU cache mode 'emulate' can only be used with level='3'",
        )),
        mode @ (CpuCacheMode::Passthrough | CpuCacheMode::Disable) if cache.level.is_some() => Err(
            unsupported(format!("unsupported CPU cache level for mode '{mode}'")),
        ),
        CpuCacheMode::Passthrough if !is_hosts(cpu) => Err(unsupported(
            "CPU cache mode 'passthrough' can only be used with 'host-passthrough' / 'maximum' CPUs",
        )),
        _ => Ok(()),
    }
}

fn width(cpu: &Cpu) -> Result<()> {
    let Some(width) = cpu.maxphysaddr else {
        return Ok(());
    };
    match width.mode {
        MaxPhysAddrMode::Passthrough if width.bits.is_some() => Err(unsupported(
            "CPU maximum physical address bits number specification cannot be used with mode='passthrough'",
        )),
        MaxPhysAddrMode::Emulate if width.limit.is_some() => Err(unsupported(
            "attribute 'limit' is only supported for maxphysaddr mode 'passthrough'",
        )),
        _ => Ok(()),
    }
}
