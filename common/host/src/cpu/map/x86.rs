//! x86 models: what features they consist of, and where the bits of those are.

use std::collections::HashMap;

use super::super::data::{CpuData, Key, Registers, Signature};
use super::super::feature_set::FeatureSet;
use super::file::{Cpus, FeatureXml, ModelXml, Switch};

/// A maker of CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vendor {
    /// libvirt's name.
    pub name: String,
    /// What CPUID says.
    pub string: String,
}

/// A feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// libvirt's name.
    pub name: String,
    /// Names that QEMU has for it besides.
    pub aliases: Vec<String>,
    /// Whether guests that have it can be migrated.
    pub migratable: bool,
    /// Its bits; all of them have to be set.
    pub bits: Vec<(Key, Registers)>,
}

/// CPUs a model stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pattern {
    family: u32,
    model: u32,
    steppings: Option<(u32, u32)>,
}

/// A CPU model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its maker's name; `None` for models of no real CPU.
    pub vendor: Option<String>,
    /// Whether a host's CPU may be called so.
    pub for_hosts: bool,
    /// Whether a guest's CPU may be called so when it is described by what it is.
    pub for_guests: bool,
    /// What it consists of, in every version of every hypervisor.
    pub features: FeatureSet,
    /// What was added to it later: newer hypervisors have it, older ones don't.
    pub added: FeatureSet,
    /// What was taken out of it later: older hypervisors have it, newer ones don't.
    pub removed: FeatureSet,
    patterns: Vec<Pattern>,
}

impl Model {
    /// Whether CPUs of that signature are of this model.
    pub fn signed(&self, signature: Signature) -> bool {
        self.patterns.iter().any(|pattern| {
            pattern.family == signature.family
                && pattern.model == signature.model
                && pattern
                    .steppings
                    .is_none_or(|(first, last)| (first..=last).contains(&signature.stepping))
        })
    }

    /// The signature to give a guest of this model.
    pub fn signature(&self) -> Option<Signature> {
        let pattern = self.patterns.first()?;
        Some(Signature {
            family: pattern.family,
            model: pattern.model,
            stepping: pattern.steppings.map_or(0, |(first, _)| first),
        })
    }
}

/// The x86 part of the map.
#[derive(Debug, Default)]
pub struct X86 {
    vendors: Vec<Vendor>,
    features: Vec<Feature>,
    models: Vec<Model>,
    features_by_name: HashMap<String, usize>,
    models_by_name: HashMap<String, usize>,
}

impl X86 {
    /// The models, in the map's order.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter()
    }

    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        Some(&self.models[*self.models_by_name.get(name)?])
    }

    /// The number of the feature of that name, which may be QEMU's.
    pub fn feature(&self, name: &str) -> Option<usize> {
        self.features_by_name.get(name).copied()
    }

    /// libvirt's name of a feature by its number; numbers that [`Self::feature`] doesn't give
    /// have none.
    pub fn feature_name(&self, feature: usize) -> &str {
        self.features.get(feature).map_or("", |f| f.name.as_str())
    }

    /// The features, in the map's order.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The names of a set of features, in the map's order.
    pub fn names(&self, set: &FeatureSet) -> Vec<String> {
        set.iter()
            .map(|feature| self.feature_name(feature).to_owned())
            .collect()
    }

    /// The maker that CPUID calls so.
    pub fn vendor_of(&self, string: &str) -> Option<&Vendor> {
        self.vendors.iter().find(|vendor| vendor.string == string)
    }

    /// The maker of that name.
    pub fn vendor(&self, name: &str) -> Option<&Vendor> {
        self.vendors.iter().find(|vendor| vendor.name == name)
    }

    /// Which features the registers show.
    pub fn features_of(&self, data: &CpuData) -> FeatureSet {
        let shown = |feature: &Feature| {
            !feature.bits.is_empty() && feature.bits.iter().all(|(key, bits)| data.has(*key, *bits))
        };
        self.features
            .iter()
            .enumerate()
            .filter(|(_, feature)| shown(feature))
            .map(|(number, _)| number)
            .collect()
    }

    /// The features that keep a guest from being migrated.
    pub fn not_migratable(&self) -> FeatureSet {
        self.features
            .iter()
            .enumerate()
            .filter(|(_, feature)| !feature.migratable)
            .map(|(number, _)| number)
            .collect()
    }

    /// The features whose bits are in model-specific registers.
    pub fn told_by_registers(&self) -> impl Iterator<Item = usize> + '_ {
        let msr = |(key, _): &(Key, Registers)| matches!(key, Key::Msr(_));
        self.features
            .iter()
            .enumerate()
            .filter(move |(_, feature)| feature.bits.iter().any(msr))
            .map(|(number, _)| number)
    }

    /// Takes in one file of the map.
    pub(super) fn add(&mut self, cpus: Cpus) -> Result<(), String> {
        for vendor in cpus.vendors {
            let string = vendor
                .string
                .ok_or_else(|| format!("vendor {} has no string", vendor.name))?;
            let name = vendor.name;
            self.vendors.push(Vendor { name, string });
        }
        for feature in cpus.features {
            self.add_feature(feature);
        }
        for model in cpus.models {
            self.add_model(model)?;
        }
        Ok(())
    }

    fn add_feature(&mut self, xml: FeatureXml) {
        let leaves = xml.leaves.into_iter().map(|leaf| {
            let key = Key::Leaf {
                eax_in: leaf.eax_in.0,
                ecx_in: leaf.ecx_in.unwrap_or_default().0,
            };
            let registers = [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx];
            (key, registers.map(|r| r.unwrap_or_default().0))
        });
        let registers = xml.registers.into_iter().map(|msr| {
            let halves = [msr.eax, msr.edx].map(|r| r.unwrap_or_default().0);
            (Key::Msr(msr.index.0), [halves[0], halves[1], 0, 0])
        });
        let feature = Feature {
            name: xml.name,
            aliases: xml.aliases.into_iter().map(|alias| alias.name).collect(),
            migratable: xml.migratable.is_none_or(Switch::is_on),
            bits: leaves.chain(registers).collect(),
        };
        let number = self.features.len();
        for name in feature.aliases.iter().chain([&feature.name]) {
            self.features_by_name.insert(name.clone(), number);
        }
        self.features.push(feature);
    }

    fn add_model(&mut self, xml: ModelXml) -> Result<(), String> {
        let ancestor = match &xml.model {
            Some(ancestor) => Some(self.model(&ancestor.name).cloned().ok_or_else(|| {
                format!("model {}: no model {} before it", xml.name, ancestor.name)
            })?),
            None => None,
        };
        let mut model = ancestor.unwrap_or(Model {
            name: String::new(),
            vendor: None,
            for_hosts: true,
            for_guests: true,
            features: FeatureSet::default(),
            added: FeatureSet::default(),
            removed: FeatureSet::default(),
            patterns: Vec::new(),
        });
        model.name = xml.name;
        (model.for_hosts, model.for_guests) = match xml.decode {
            Some(decode) => (decode.host.is_on(), decode.guest.is_on()),
            None => (true, true),
        };
        if let Some(vendor) = xml.vendor {
            model.vendor = Some(vendor.name);
        }
        if !xml.signatures.is_empty() {
            model.patterns = xml
                .signatures
                .iter()
                .map(|signature| Pattern {
                    family: signature.family.0,
                    model: signature.model.0,
                    steppings: signature.stepping.map(|s| (s.first, s.last)),
                })
                .collect();
        }
        for feature in xml.features {
            let number = self
                .feature(&feature.name)
                .ok_or_else(|| format!("model {}: no feature {}", model.name, feature.name))?;
            if feature.added.is_some_and(Switch::is_on) {
                model.added.insert(number);
            } else if feature.removed.is_some_and(Switch::is_on) {
                model.removed.insert(number);
            } else {
                model.features.insert(number);
            }
        }
        self.models_by_name
            .insert(model.name.clone(), self.models.len());
        self.models.push(model);
        Ok(())
    }
}
