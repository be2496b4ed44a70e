//! Whether a guest with a described CPU can run on a host.

use virt_error::Result;

use super::decode::Cpu;
use super::definition::{Definition, Match, Policy};
use super::feature_set::FeatureSet;
use super::map::X86;

/// What comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// The host has just that.
    Identical,
    /// The host has that and more.
    Superset,
    /// It can't run; the sentence says why.
    Incompatible(String),
}

/// A host to compare with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    /// Its architecture.
    pub arch: String,
    /// Its maker by libvirt's name.
    pub vendor: Option<String>,
    /// What it has.
    pub features: FeatureSet,
}

impl Offered {
    /// A CPU that is known by what it has.
    pub fn of(map: &X86, arch: &str, cpu: Cpu) -> Self {
        let string = cpu.vendor.as_deref();
        Self {
            arch: arch.to_owned(),
            vendor: string
                .and_then(|string| map.vendor_of(string))
                .map(|vendor| vendor.name.clone()),
            features: cpu.features,
        }
    }

    /// A host that a description stands for.
    ///
    /// # Errors
    /// INTERNAL_ERROR for a model or feature that the map doesn't have.
    pub fn described(map: &X86, host: &Definition) -> Result<Self> {
        Ok(Self {
            arch: host.arch.clone().unwrap_or_default(),
            vendor: host.vendor.clone(),
            features: host.all_features(map)?,
        })
    }
}

/// Compares.
///
/// # Errors
/// INTERNAL_ERROR for a model or feature that the map doesn't have.
pub fn compare(map: &X86, host: &Offered, cpu: &Definition) -> Result<Comparison> {
    let incompatible = |why: String| Ok(Comparison::Incompatible(why));
    if let Some(arch) = &cpu.arch
        && *arch != host.arch
    {
        return incompatible(format!("CPU arch {arch} does not match host arch"));
    }
    if cpu.model.is_none() {
        return Ok(Comparison::Superset);
    }
    let all = cpu.all_features(map)?;
    if let Some(vendor) = &cpu.vendor
        && cpu.vendor != host.vendor
    {
        return incompatible(format!(
            "host CPU vendor does not match required CPU vendor {vendor}"
        ));
    }
    let listed = |set: &FeatureSet| map.names(set).join(", ");
    let forbidden = cpu.with_policy(map, Policy::Forbid)?.and(&host.features);
    if !forbidden.is_empty() {
        let names = listed(&forbidden);
        return incompatible(format!("Host CPU provides forbidden features: {names}"));
    }
    let mut excused = cpu.with_policy(map, Policy::Force)?;
    excused.extend(cpu.with_policy(map, Policy::Optional)?.iter());
    let missing = all.minus(&excused).minus(&host.features);
    if !missing.is_empty() {
        let names = listed(&missing);
        return incompatible(format!(
            "Host CPU does not provide required features: {names}"
        ));
    }
    let mut spoken_of = all;
    for policy in [Policy::Optional, Policy::Disable, Policy::Forbid] {
        spoken_of.extend(cpu.with_policy(map, policy)?.iter());
    }
    let extra = host.features.minus(&spoken_of);
    Ok(match (extra.is_empty(), cpu.matching) {
        (true, _) => Comparison::Identical,
        (false, Match::Strict) => Comparison::Incompatible(format!(
            "Host CPU does not strictly match guest CPU: Extra features: {}",
            listed(&extra)
        )),
        (false, _) => Comparison::Superset,
    })
}
