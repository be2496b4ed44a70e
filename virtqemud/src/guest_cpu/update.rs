//! What a definition leaves to the host's CPU, decided. Pure.
//!
//! Facts: formatdomain "CPU model and topology"; the CPUs of started guests of the stock daemon.

use virt_domain::cpu::{Cpu, CpuFeature, CpuMatch, CpuMode, CpuModel, Fallback, FeaturePolicy};
use virt_host::cpu::map::X86;
use virt_host::cpu::{FeatureSet, Named};

/// Turns the CPU into the host's; what the definition says of single features counts.
pub fn take_hosts(cpu: &mut Cpu, mut host: Named) {
    let vendor = host.vendor.take();
    become_model(cpu, host);
    if cpu.vendor.is_none() {
        cpu.vendor = vendor;
    }
}

/// Decides what a CPU given by its model leaves open: where that is the least the guest gets, it
/// gets what the host has; optional features are there where `features`, the host's, has them.
pub fn custom(cpu: &mut Cpu, host: Option<Named>, features: &FeatureSet, map: &X86) {
    if cpu.matching == Some(CpuMatch::Minimum) {
        if let Some(host) = host {
            become_model(cpu, host);
        }
        return;
    }
    for feature in &mut cpu.features {
        if feature.policy != FeaturePolicy::Optional {
            continue;
        }
        let number = map.feature(&feature.name);
        feature.policy = match number.is_some_and(|number| features.contains(number)) {
            true => FeaturePolicy::Require,
            false => FeaturePolicy::Disable,
        };
    }
}

fn become_model(cpu: &mut Cpu, named: Named) {
    cpu.mode = Some(CpuMode::Custom);
    cpu.matching = Some(CpuMatch::Exact);
    let before = cpu.model.take().unwrap_or_default();
    cpu.model = Some(CpuModel {
        fallback: before.fallback.or(Some(Fallback::Allow)),
        vendor_id: before.vendor_id,
        name: Some(named.model),
    });
    let said = std::mem::take(&mut cpu.features);
    let with = |names: Vec<String>, policy| {
        names
            .into_iter()
            .map(move |name| CpuFeature { policy, name })
    };
    cpu.features = with(named.extra, FeaturePolicy::Require)
        .chain(with(named.missing, FeaturePolicy::Disable))
        .collect();
    for feature in said {
        match cpu.features.iter_mut().find(|f| f.name == feature.name) {
            // The host's answer stands.
            _ if feature.policy == FeaturePolicy::Optional => {}
            Some(known) => known.policy = feature.policy,
            None => cpu.features.push(feature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_feature_counts_more_than_what_the_host_has() {
        let feature = |policy, name: &str| CpuFeature {
            policy,
            name: name.to_owned(),
        };
        let mut cpu = Cpu {
            mode: Some(CpuMode::HostModel),
            features: vec![
                feature(FeaturePolicy::Disable, "vmx"),
                feature(FeaturePolicy::Optional, "sha-ni"),
                feature(FeaturePolicy::Require, "invtsc"),
            ],
            ..Cpu::default()
        };
        let named = Named {
            model: "Haswell".to_owned(),
            vendor: Some("Intel".to_owned()),
            extra: vec!["vmx".to_owned(), "ss".to_owned()],
            missing: vec!["rtm".to_owned()],
        };
        take_hosts(&mut cpu, named);
        assert_eq!(cpu.model_name(), Some("Haswell"));
        assert_eq!(cpu.feature("vmx"), Some(FeaturePolicy::Disable));
        assert_eq!(cpu.feature("ss"), Some(FeaturePolicy::Require));
        assert_eq!(cpu.feature("rtm"), Some(FeaturePolicy::Disable));
        assert_eq!(cpu.feature("invtsc"), Some(FeaturePolicy::Require));
        assert_eq!(cpu.feature("sha-ni"), None);
    }
}
