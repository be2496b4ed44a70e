//! A CPU whose model the hypervisor doesn't know, by one it knows. Pure.

use virt_domain::cpu::{Cpu, CpuFeature, Fallback, FeaturePolicy};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_host::cpu::map::X86;
use virt_host::cpu::{Cpu as Described, Offer, Purpose, decode};

/// Says the CPU by the nearest of the models that are offered, where its own is not among them; a
/// model the map doesn't know is left for the hypervisor to judge.
///
/// # Errors
/// CONFIG_UNSUPPORTED where the definition wants no other model, or none is near.
pub fn translate(cpu: &mut Cpu, map: &X86, offered: &[&str]) -> Result<()> {
    let Some(name) = cpu.model_name().map(str::to_owned) else {
        return Ok(());
    };
    let Some(model) = map
        .model(&name)
        .filter(|_| !offered.contains(&name.as_str()))
    else {
        return Ok(());
    };
    let refused = || {
        Error::new(
            ErrorCode::ConfigUnsupported,
            ErrorDomain::Cpu,
            format!("CPU model {name} is not supported by hypervisor"),
        )
    };
    let fallback = cpu.model.as_ref().and_then(|model| model.fallback);
    if fallback == Some(Fallback::Forbid) {
        return Err(refused());
    }
    let mut features = model.features.clone();
    for feature in &cpu.features {
        let Some(number) = map.feature(&feature.name) else {
            continue;
        };
        match feature.policy {
            FeaturePolicy::Force | FeaturePolicy::Require => features.insert(number),
            FeaturePolicy::Disable | FeaturePolicy::Forbid => features.remove(number),
            FeaturePolicy::Optional => {}
        }
    }
    let maker = model.vendor.as_ref().and_then(|vendor| map.vendor(vendor));
    let described = Described {
        vendor: maker.map(|maker| maker.string.clone()),
        signature: model.signature(),
        features,
    };
    let offers: Vec<Offer> = offered
        .iter()
        .map(|name| Offer {
            name,
            blockers: &[],
        })
        .collect();
    let found = decode::name(map, &described, Purpose::Guest, Some(&offers)).ok_or_else(refused)?;
    let said = std::mem::take(&mut cpu.features);
    let new = [
        (found.extra, FeaturePolicy::Require),
        (found.missing, FeaturePolicy::Disable),
    ];
    for (names, policy) in new {
        for name in names {
            let number = map.feature(&name);
            // What was forced or forbidden stays that.
            let known = said
                .iter()
                .find(|feature| map.feature(&feature.name) == number);
            let policy = match (known.map(|feature| feature.policy), policy) {
                (Some(FeaturePolicy::Force), FeaturePolicy::Require) => FeaturePolicy::Force,
                (Some(FeaturePolicy::Forbid), FeaturePolicy::Disable) => FeaturePolicy::Forbid,
                (_, policy) => policy,
            };
            cpu.features.push(CpuFeature { policy, name });
        }
    }
    if let Some(model) = &mut cpu.model {
        model.name = Some(found.model);
    }
    Ok(())
}
