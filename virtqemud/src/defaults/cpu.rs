//! Defaults of the CPU.

use super::Context;
use crate::caps::CapFlag;
use crate::define::accel;
use virt_domain::cpu::{Cpu, CpuCheck, CpuMatch, CpuMode, CpuModel, Fallback};
use virt_domain::{Domain, VirtType};
use virt_error::Result;
use virt_xml::OnOff;

pub(super) fn fill(domain: &mut Domain, context: &Context) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let unnamed = domain.cpu.as_ref().is_none_or(|cpu| {
        matches!(cpu.mode, None | Some(CpuMode::Custom)) && cpu.model_name().is_none()
    });
    if unnamed && let Some(name) = default_model(domain, context) {
        let cpu = domain.cpu.get_or_insert_with(Cpu::default);
        if name == "host" {
            cpu.mode = Some(CpuMode::HostPassthrough);
        } else {
            cpu.mode = Some(CpuMode::Custom);
            // What was said of a model that was not named is not said of this one.
            cpu.matching = Some(CpuMatch::Exact);
            cpu.check = Some(CpuCheck::None);
            cpu.model = Some(CpuModel {
                fallback: Some(Fallback::Forbid),
                vendor_id: None,
                name: Some(name),
            });
        }
    }
    let Some(cpu) = &mut domain.cpu else {
        return Ok(());
    };
    // How exactly is said of a model that is given.
    if !matches!(cpu.mode, None | Some(CpuMode::Custom)) {
        cpu.matching = None;
    }
    match cpu.mode {
        None if cpu.model.is_none() => {}
        None | Some(CpuMode::Custom) => {
            cpu.mode = Some(CpuMode::Custom);
            cpu.matching.get_or_insert(CpuMatch::Exact);
            if let Some(model) = &mut cpu.model {
                model.fallback.get_or_insert_default();
            }
            // Without an accelerator there is no host CPU to compare with.
            cpu.check
                .get_or_insert(if domain.virt_type == VirtType::Qemu {
                    CpuCheck::None
                } else {
                    CpuCheck::Partial
                });
        }
        Some(CpuMode::HostModel) => {
            cpu.check.get_or_insert(CpuCheck::Partial);
        }
        Some(CpuMode::Maximum) => {
            // Of what the host has no model is chosen.
            cpu.model = None;
            cpu.check.get_or_insert(CpuCheck::None);
        }
        Some(CpuMode::HostPassthrough) => {
            cpu.model = None;
            cpu.check.get_or_insert(CpuCheck::None);
            if arch.is_x86() && context.caps.has(CapFlag::CpuMigratable) {
                cpu.migratable.get_or_insert(OnOff::On);
            }
        }
    }
    Ok(())
}

/// The model QEMU takes when none is named, by name so that it stays when the default changes.
fn default_model(domain: &Domain, context: &Context) -> Option<String> {
    let accel = accel(domain.virt_type);
    let machine = domain.os.kind.machine.as_deref()?;
    let typename = context
        .caps
        .machine(accel, machine)?
        .default_cpu
        .as_deref()?;
    let models = &context.caps.accel(accel)?.cpus;
    let model = models
        .iter()
        .find(|model| model.typename.as_deref() == Some(typename))?;
    // What a host or the best one is differs from host to host.
    let arch = domain.os.kind.arch.unwrap_or_default();
    match model.name.as_str() {
        "host" | "max" if arch.is_x86() => None,
        "max" if domain.virt_type == VirtType::Kvm => Some("host".to_owned()),
        // Of QEMU's spellings libvirt takes the one in capitals.
        name if arch.is_ppc64() && name.starts_with("power") => Some(name.to_uppercase()),
        name => Some(name.to_owned()),
    }
}
