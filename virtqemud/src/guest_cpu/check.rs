//! Whether the host can give a guest the CPU its definition asks for. Pure.

use virt_domain::Arch;
use virt_domain::cpu::{Cpu, CpuMatch, FeaturePolicy};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::cpu::definition::{Match, Policy};
use virt_host::cpu::map::X86;
use virt_host::cpu::{Comparison, CpuData, Definition, Offered, compare};

use crate::caps::AccelCaps;
use crate::host_model::{self, LeftOut};

/// Model and features have to be known by name.
///
/// # Errors
/// INTERNAL_ERROR for the model, CONFIG_UNSUPPORTED for a feature.
pub(super) fn known(cpu: &Cpu, map: &X86) -> Result<()> {
    if let Some(name) = cpu.model_name()
        && map.model(name).is_none()
    {
        return Err(Error::new(
            ErrorCode::InternalError,
            ErrorDomain::Cpu,
            format!("Unknown CPU model {name}"),
        ));
    }
    let mut features = cpu.features.iter();
    match features.find(|feature| map.feature(&feature.name).is_none()) {
        None => Ok(()),
        Some(feature) => Err(Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Cpu,
            format!("unknown CPU feature: {}", feature.name),
        )),
    }
}

/// The host's CPU has all that is asked for: by what QEMU says it can give, or by what the CPU itself
/// says (`own`), where that counts. Without a word of QEMU about it there is nothing to compare with.
///
/// # Errors
/// CPU_INCOMPATIBLE that names what is missing.
pub fn partial(
    cpu: &Cpu,
    arch: Arch,
    map: &X86,
    caps: &AccelCaps,
    own: Option<&CpuData>,
) -> Result<()> {
    let Some(host) = &caps.host_cpu else {
        return Ok(());
    };
    let described = host_model::described(map, host, LeftOut::default());
    let mut offered = Offered::of(map, arch.word(), described);
    if let Some(own) = own {
        offered.features.extend(map.features_of(own).iter());
    }
    match compare::compare(map, &offered, &definition(cpu))? {
        Comparison::Incompatible(why) => Err(Error::new(
            ErrorCode::CpuIncompatible,
            ErrorDomain::Cpu,
            why,
        )),
        Comparison::Identical | Comparison::Superset => Ok(()),
    }
}

fn definition(cpu: &Cpu) -> Definition {
    Definition {
        arch: None,
        matching: match cpu.matching {
            Some(CpuMatch::Minimum) => Match::Minimum,
            Some(CpuMatch::Strict) => Match::Strict,
            Some(CpuMatch::Exact) | None => Match::Exact,
        },
        model: cpu.model_name().map(str::to_owned),
        vendor: cpu.vendor.clone(),
        features: cpu
            .features
            .iter()
            .map(|feature| {
                let policy = match feature.policy {
                    FeaturePolicy::Force => Policy::Force,
                    FeaturePolicy::Require => Policy::Require,
                    FeaturePolicy::Optional => Policy::Optional,
                    FeaturePolicy::Disable => Policy::Disable,
                    FeaturePolicy::Forbid => Policy::Forbid,
                };
                (feature.name.clone(), policy)
            })
            .collect(),
    }
}
