//! The processor of a guest that was started: what QEMU really gave, compared with what was asked
//! for.
//!
//! Facts: live XML and refusals of the stock daemon; formatdomain "CPU model and topology".

use virt_domain::Domain;
use virt_domain::cpu::{Cpu, CpuCheck, CpuFeature, CpuMatch, CpuMode, Fallback, FeaturePolicy};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::cpu::FeatureSet;
use virt_host::cpu::map::X86;

use crate::caps::{QemuCaps, Usable};
use crate::define::accel;
use crate::guest_cpu;

/// Whether a running guest's `<cpu>` says feature by feature what it has.
pub fn is_told(domain: &Domain) -> bool {
    let arch = domain.os.kind.arch.unwrap_or_default();
    arch.is_x86()
        && domain
            .cpu
            .as_ref()
            .is_some_and(|cpu| cpu.mode == Some(CpuMode::Custom) && cpu.model_name().is_some())
}

/// Checks before a start whether the host can give a processor that asks for that
/// (`check='partial'`).
///
/// # Errors
/// CPU_INCOMPATIBLE with what is missing; INTERNAL_ERROR for unknown models and features.
pub fn check_host(domain: &Domain, caps: &QemuCaps, map: &X86) -> Result<()> {
    let Some(cpu) = &domain.cpu else {
        return Ok(());
    };
    if cpu.check != Some(CpuCheck::Partial) || !is_told(domain) {
        return Ok(());
    }
    let Some(caps) = caps.accel(accel(domain.virt_type)) else {
        return Ok(());
    };
    let usable = |name: &str| {
        let model = caps.cpus.iter().find(|model| model.name == name);
        model.is_some_and(|model| model.usable == Usable::Yes)
    };
    // What QEMU vouches for needs no comparison, and is not more for lacking something.
    let only_less =
        |f: &CpuFeature| matches!(f.policy, FeaturePolicy::Disable | FeaturePolicy::Optional);
    if cpu.model_name().is_some_and(usable) && cpu.features.iter().all(only_less) {
        return Ok(());
    }
    let arch = domain.os.kind.arch.unwrap_or_default();
    guest_cpu::partial(cpu, arch, map, caps, None)
}

fn incompatible(why: impl Into<String>) -> Error {
    Error::new(ErrorCode::CpuIncompatible, ErrorDomain::Cpu, why)
}

/// Features of the model that every version of QEMU gives it. What newer ones add is said when it
/// is there, and not missed when it isn't.
fn of_model(cpu: &Cpu, map: &X86) -> Result<FeatureSet> {
    let name = cpu.model_name().unwrap_or_default();
    let model = map.model(name).ok_or_else(|| {
        Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Cpu,
            format!("Unknown CPU model {name}"),
        )
    })?;
    Ok(model.features.minus(&model.added))
}

/// Checks what QEMU gave a guest that asks for just that (`check='full'`).
///
/// # Errors
/// OPERATION_FAILED that names what is missing and what is too much, CPU_INCOMPATIBLE for a
/// feature that was forbidden; INTERNAL_ERROR for an unknown model.
pub fn check_given(cpu: &Cpu, map: &X86, given: &FeatureSet) -> Result<()> {
    let mut wanted = of_model(cpu, map)?;
    for feature in &cpu.features {
        let Some(number) = map.feature(&feature.name) else {
            continue;
        };
        match feature.policy {
            FeaturePolicy::Force | FeaturePolicy::Require => {
                wanted.insert(number);
            }
            FeaturePolicy::Forbid if given.contains(number) => {
                return Err(incompatible(format!(
                    "Host CPU provides forbidden feature '{}'",
                    feature.name
                )));
            }
            FeaturePolicy::Disable | FeaturePolicy::Forbid => {
                wanted.remove(number);
            }
            FeaturePolicy::Optional => {}
        }
    }
    let listed = |what: &str, set: FeatureSet| {
        (!set.is_empty()).then(|| format!("{what} features: {}", map.names(&set).join(",")))
    };
    let parts = [
        listed("extra", given.minus(&wanted)),
        listed("missing", wanted.minus(given)),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "guest CPU doesn't match specification: {}",
        parts.join(", ")
    );
    Err(Error::new(
        ErrorCode::OperationFailed,
        ErrorDomain::Qemu,
        detail,
    ))
}

/// Says of the processor what it has, so that another host can give just that.
///
/// # Errors
/// INTERNAL_ERROR for a model that isn't known.
pub fn as_given(cpu: &mut Cpu, map: &X86, given: &FeatureSet) -> Result<()> {
    let base = of_model(cpu, map)?;
    let mut said = FeatureSet::default();
    for feature in &mut cpu.features {
        let Some(number) = map.feature(&feature.name) else {
            continue;
        };
        said.insert(number);
        let has = given.contains(number);
        feature.policy = match feature.policy {
            FeaturePolicy::Require | FeaturePolicy::Force | FeaturePolicy::Optional if !has => {
                FeaturePolicy::Disable
            }
            FeaturePolicy::Disable if has => FeaturePolicy::Require,
            FeaturePolicy::Optional => FeaturePolicy::Require,
            policy => policy,
        };
    }
    let mut differs = given.minus(&base);
    differs.extend(base.minus(given).iter());
    for number in differs.minus(&said).iter() {
        cpu.features.push(CpuFeature {
            policy: match given.contains(number) {
                true => FeaturePolicy::Require,
                false => FeaturePolicy::Disable,
            },
            name: map.feature_name(number).to_owned(),
        });
    }
    cpu.check = Some(CpuCheck::Full);
    cpu.matching.get_or_insert(CpuMatch::Exact);
    if let Some(model) = &mut cpu.model {
        model.fallback = Some(Fallback::Forbid);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use virt_host::cpu::CpuMap;

    fn map() -> Option<CpuMap> {
        CpuMap::load(Path::new(CpuMap::FOLDER)).ok()
    }

    fn set(map: &X86, model: &str, more: &[&str], less: &[&str]) -> FeatureSet {
        let mut set = map.model(model).unwrap().features.clone();
        for name in more {
            set.insert(map.feature(name).unwrap());
        }
        for name in less {
            set.remove(map.feature(name).unwrap());
        }
        set
    }

    fn cpu(xml: &str) -> Cpu {
        virt_xml::read(xml).unwrap().0
    }

    #[test]
    fn what_qemu_gave_and_took_is_said() {
        let Some(map) = map() else { return };
        let given = set(&map.x86, "Nehalem", &["hypervisor"], &["sse4.2"]);
        let mut cpu = cpu("<cpu mode='custom' match='exact' check='none'>
             <model fallback='allow'>Nehalem</model>
             <feature policy='force' name='avx512f'/><feature policy='forbid' name='aes'/></cpu>");
        as_given(&mut cpu, &map.x86, &given).unwrap();
        let said: Vec<_> = cpu
            .features
            .iter()
            .map(|f| (f.name.as_str(), f.policy))
            .collect();
        assert_eq!(
            said,
            [
                ("avx512f", FeaturePolicy::Disable),
                ("aes", FeaturePolicy::Forbid),
                ("sse4.2", FeaturePolicy::Disable),
                ("hypervisor", FeaturePolicy::Require),
            ]
        );
        assert_eq!(cpu.check, Some(CpuCheck::Full));
    }

    #[test]
    fn a_full_check_names_what_is_missing_and_what_is_too_much() {
        let Some(map) = map() else { return };
        let given = set(&map.x86, "Nehalem", &["hypervisor"], &["vme", "sse4.2"]);
        let asked = cpu("<cpu mode='custom' check='full'><model>Nehalem</model>
             <feature policy='disable' name='vme'/></cpu>");
        assert_eq!(
            check_given(&asked, &map.x86, &given).unwrap_err().message(),
            "operation failed: guest CPU doesn't match specification: \
             extra features: hypervisor, missing features: sse4.2"
        );
    }
}
