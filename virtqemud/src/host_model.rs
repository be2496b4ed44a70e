//! The CPU a guest gets that asks for the host's: what QEMU can give it, by the name of the
//! nearest model.

use virt_host::cpu::map::X86;
use virt_host::cpu::{Cpu, FeatureSet, Named, Offer, Purpose, Signature, decode};

use crate::caps::{AccelCaps, CapFlag, CpuModel, CpuValue, HostCpu, QemuCaps};

/// What is left out of a description.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// What keeps a guest from being migrated.
    pub not_migratable: bool,
    /// Features that model-specific registers tell: older binaries name them but can't say which
    /// of them are missing.
    pub registers: bool,
}

impl LeftOut {
    /// Nothing but what the binary can't vouch for.
    pub fn of(caps: &QemuCaps) -> Self {
        Self {
            not_migratable: false,
            registers: !caps.has(CapFlag::CpuUnavailableFeatures),
        }
    }
}

/// The x86 CPU that QEMU's expansion of the host's describes.
pub fn described(map: &X86, host: &HostCpu, without: LeftOut) -> Cpu {
    let mut left_out = match without.not_migratable {
        true => map.not_migratable(),
        false => FeatureSet::default(),
    };
    if without.registers {
        left_out.extend(map.told_by_registers());
    }
    let mut features = FeatureSet::default();
    let (mut family, mut model, mut stepping) = (None, None, 0);
    let mut vendor = None;
    // Features beyond a model's are all that is told where QEMU itself names one.
    if let Some(base) = map.model(&host.model) {
        features = base.features.minus(&left_out);
        let maker = base.vendor.as_ref().and_then(|name| map.vendor(name));
        vendor = maker.map(|maker| maker.string.clone());
        if let Some(signature) = base.signature() {
            (family, model) = (Some(signature.family), Some(signature.model));
            stepping = signature.stepping;
        }
    }
    for property in &host.properties {
        match &property.value {
            CpuValue::Flag(true) => {
                let stays = without.not_migratable && property.migratable == Some(false);
                if let Some(feature) = map.feature(&property.name)
                    && !stays
                    && !left_out.contains(feature)
                {
                    features.insert(feature);
                }
            }
            CpuValue::Flag(false) => {}
            CpuValue::Number(number) => {
                let number = u32::try_from(*number).ok();
                match property.name.as_str() {
                    "family" => family = number,
                    "model" => model = number,
                    "stepping" => stepping = number.unwrap_or(0),
                    _ => {}
                }
            }
            CpuValue::Text(text) if property.name == "vendor" => vendor = Some(text.clone()),
            CpuValue::Text(_) => {}
        }
    }
    Cpu {
        vendor,
        signature: family.zip(model).map(|(family, model)| Signature {
            family,
            model,
            stepping,
        }),
        features,
    }
}

/// Its name among the models that the binary offers; `None` when the binary can't tell what the
/// host has, or knows none of the map's models.
pub fn host_model(map: &X86, caps: &AccelCaps, without: LeftOut) -> Option<Named> {
    let host = caps.host_cpu.as_ref()?;
    if let Some(base) = map.model(&host.model) {
        return Some(Named {
            vendor: base.vendor.clone(),
            ..as_expanded(host)
        });
    }
    let cpu = described(map, host, without);
    let offers: Vec<_> = caps.cpus.iter().map(offer).collect();
    decode::name(map, &cpu, Purpose::Guest, Some(&offers))
}

/// A model as it takes part in the choice.
pub fn offer(model: &CpuModel) -> Offer<'_> {
    Offer {
        name: &model.name,
        blockers: &model.blockers,
    }
}
/// Model and features as QEMU itself expands the host's CPU.
pub fn as_expanded(host: &HostCpu) -> Named {
    Named {
        model: host.model.clone(),
        vendor: None,
        extra: host
            .properties
            .iter()
            .filter(|p| p.value == CpuValue::Flag(true))
            .map(|p| p.name.clone())
            .collect(),
        missing: Vec::new(),
    }
}
