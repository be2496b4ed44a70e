//! The CPU a started guest gets: what its definition leaves to the host becomes a model with
//! features, by what QEMU says it can give.
//!
//! Facts: formatdomain "CPU model and topology"; checked against the stock daemon's command lines.

mod check;
mod translate;
mod update;

pub use check::partial;
pub use translate::translate;
pub use update::{custom, take_hosts};

use std::sync::Arc;

use virt_domain::cpu::{Cpu, CpuCheck, CpuFeature, CpuMatch, CpuMode, Fallback, FeaturePolicy};
use virt_domain::{Arch, Domain};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::cpu::map::{CpuMap, X86};

use crate::caps::{Accel, AccelCaps};
use crate::define::{Context, accel};
use crate::host_model::{self, LeftOut};

/// Where the CPU models come from that are known by name; nothing where they aren't installed.
pub type Models<'a> = &'a dyn Fn() -> Option<Arc<CpuMap>>;

/// Resolves the CPU of a guest that is started.
///
/// # Errors
/// CONFIG_UNSUPPORTED when the host can't give it.
pub fn resolve(domain: &mut Domain, context: &Context, models: Models) -> Result<()> {
    let arch = domain.os.kind.arch.unwrap_or_default();
    let kind = accel(domain.virt_type);
    let refused = |mode: CpuMode| {
        Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Qemu,
            format!(
                "CPU mode '{mode}' for {arch} {} domain on {} host is not supported by hypervisor",
                domain.virt_type, context.config.host_arch
            ),
        )
    };
    let Some(mode) = domain.cpu.as_ref().and_then(|cpu| cpu.mode) else {
        return Ok(());
    };
    let Some(caps) = context.caps.accel(kind) else {
        return Ok(());
    };
    match mode {
        CpuMode::HostPassthrough if kind == Accel::Tcg => return Err(refused(mode)),
        CpuMode::HostPassthrough | CpuMode::Maximum => return Ok(()),
        // It is the host's own, limited by an option of the machine.
        CpuMode::HostModel if arch.is_ppc64() => return Ok(()),
        CpuMode::HostModel | CpuMode::Custom => {}
    }
    let refusal = refused(mode);
    let Some(cpu) = &mut domain.cpu else {
        return Ok(());
    };
    if mode == CpuMode::Custom && !depends_on_map(cpu, arch) {
        return Ok(());
    }
    if mode == CpuMode::HostModel && arch.is_s390() {
        let named = caps
            .host_cpu
            .as_ref()
            .map(host_model::as_expanded)
            .ok_or(refusal)?;
        update::take_hosts(cpu, named);
        if let Some(model) = &mut cpu.model {
            model.fallback = Some(Fallback::Forbid);
        }
        return Ok(());
    }
    let map = models().filter(|_| arch.is_x86());
    let Some(map) = map else {
        // A model by name works without knowing what it is made of.
        let plain = mode == CpuMode::Custom
            && cpu.matching != Some(CpuMatch::Minimum)
            && cpu
                .features
                .iter()
                .all(|f| f.policy != FeaturePolicy::Optional);
        return if plain { Ok(()) } else { Err(refusal) };
    };
    let mut host = host_model::host_model(&map.x86, caps, LeftOut::of(context.caps));
    if let Some(host) = &mut host {
        // What keeps a guest from being migrated it gets only when its definition asks for it.
        host.extra
            .retain(|name| is_migratable(name, caps, &map.x86));
    }
    if mode == CpuMode::HostModel {
        update::take_hosts(cpu, host.ok_or(refusal)?);
        // It was found among the models there are.
        if let Some(model) = &mut cpu.model {
            model.fallback = Some(Fallback::Forbid);
        }
        return Ok(());
    }
    let described = caps
        .host_cpu
        .as_ref()
        .map(|host| host_model::described(&map.x86, host, LeftOut::default()).features)
        .unwrap_or_default();
    check::known(cpu, &map.x86)?;
    if kind == Accel::Kvm && cpu.check == Some(CpuCheck::Partial) {
        let own = context.config.host_cpu.as_deref();
        partial(cpu, arch, &map.x86, caps, own)?;
    }
    update::custom(cpu, host, &described, &map.x86);
    let offered: Vec<&str> = caps.cpus.iter().map(|model| model.name.as_str()).collect();
    translate::translate(cpu, &map.x86, &offered)?;
    say_what_was_removed(cpu, &map.x86);
    Ok(())
}

/// Whether a guest with the feature can be migrated: by what QEMU says, else by the map.
fn is_migratable(name: &str, caps: &AccelCaps, map: &X86) -> bool {
    let feature = map.feature(name);
    let told = caps
        .host_cpu
        .iter()
        .flat_map(|host| &host.properties)
        .find(|property| map.feature(&property.name) == feature)
        .and_then(|property| property.migratable);
    told.unwrap_or_else(|| feature.is_none_or(|feature| !map.not_migratable().contains(feature)))
}

/// Features that were part of a model in older versions of QEMU are said to be off, so that the
/// guest has the same CPU with each.
fn say_what_was_removed(cpu: &mut Cpu, map: &X86) {
    let Some(model) = cpu.model_name().and_then(|name| map.model(name)) else {
        return;
    };
    for feature in model.removed.iter() {
        let name = map.feature_name(feature);
        if cpu.feature(name).is_none() {
            cpu.features.push(CpuFeature {
                policy: FeaturePolicy::Disable,
                name: name.to_owned(),
            });
        }
    }
}

/// QEMU's own models, which are the same everywhere.
const MADE_UP: &[&str] = &["qemu64", "qemu32", "kvm64", "kvm32"];

/// Whether a custom CPU can't be given as it is written.
fn depends_on_map(cpu: &Cpu, arch: Arch) -> bool {
    let real = cpu
        .model_name()
        .is_some_and(|name| !MADE_UP.contains(&name));
    arch.is_x86()
        && (real
            || cpu.matching == Some(CpuMatch::Minimum)
            || !cpu.features.is_empty()
            || cpu.check == Some(CpuCheck::Partial))
}
