//! Finding a name for a CPU: the model that it is nearest to, and the features it has beyond it
//! or lacks.
//!
//! Facts: found by comparing CPUID of known CPUs with the names that libvirt 11.3 gives them.

use virt_xml::Writer;

use super::data::{CpuData, Key, Signature};
use super::feature_set::FeatureSet;
use super::map::{Model, X86};

/// What the name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To say what the host is: the model is a part of the CPU, nothing of it is missing.
    Host,
    /// To give a guest such a CPU: what is missing from the model is switched off.
    Guest,
    /// The same of what several CPUs have in common.
    Common,
}

/// A CPU by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The model.
    pub model: String,
    /// Its maker by libvirt's name, if known.
    pub vendor: Option<String>,
    /// What it has beyond the model.
    pub extra: Vec<String>,
    /// What of the model it lacks (never for [`Purpose::Host`]).
    pub missing: Vec<String>,
}

impl Named {
    /// Writes model, vendor and features, as guests' definitions have them.
    pub fn write(&self, out: &mut Writer, fallback: bool) {
        let fallback = if fallback { "allow" } else { "forbid" };
        out.open(
            "model",
            |tag| tag.text("fallback", fallback),
            |out| out.text(&self.model),
        );
        if let Some(vendor) = &self.vendor {
            out.text_element("vendor", vendor);
        }
        self.write_features(out);
    }

    /// Writes the features alone.
    pub fn write_features(&self, out: &mut Writer) {
        for (policy, names) in [("require", &self.extra), ("disable", &self.missing)] {
            for name in names {
                out.open(
                    "feature",
                    |tag| {
                        tag.text("policy", policy);
                        tag.attr("name", name);
                    },
                    |_| {},
                );
            }
        }
    }
}

/// A model that a hypervisor offers, and what keeps it from working here.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The model's name.
    pub name: &'a str,
    /// Features of it that don't work here, by libvirt's or QEMU's names.
    pub blockers: &'a [String],
}

/// What is to be named.
#[derive(Debug, Clone)]
pub struct Cpu {
    /// The maker as CPUID tells it; without one it may be anybody's.
    pub vendor: Option<String>,
    /// Family, model and stepping.
    pub signature: Option<Signature>,
    /// What it has.
    pub features: FeatureSet,
}

impl Cpu {
    /// The CPU that the registers show.
    pub fn of(map: &X86, data: &CpuData) -> Self {
        let mut features = map.features_of(data);
        let signature = data.signature();
        if signature.is_some_and(tsx_is_broken) {
            for feature in ["hle", "rtm"].iter().filter_map(|name| map.feature(name)) {
                features.remove(feature);
            }
        }
        // OSXSAVE and OSPKE say what the operating system did, but belong to the picture.
        Self {
            vendor: data.vendor(),
            signature,
            features,
        }
    }
}

/// Haswell's transactional memory was switched off by an erratum (Intel's specification updates,
/// HSD136 and its kin): what CPUID says of it before the microcode update can't be relied on.
fn tsx_is_broken(signature: Signature) -> bool {
    signature.family == 6
        && match signature.model {
            60 | 69 | 70 => true,
            63 => signature.stepping < 4,
            _ => false,
        }
}

/// Names a CPU. `offers` are the models there are to choose from, `None` for all.
///
/// `None` when no model fits: the map is empty, or nothing is offered.
pub fn name(map: &X86, cpu: &Cpu, purpose: Purpose, offers: Option<&[Offer]>) -> Option<Named> {
    let anyones = cpu.vendor.is_none();
    let vendor = cpu
        .vendor
        .as_deref()
        .and_then(|string| map.vendor_of(string))
        .map(|vendor| vendor.name.as_str());
    let offer_of = |model: &Model| offers?.iter().find(|offer| offer.name == model.name);
    let mut best: Option<(Score, &Model, FeatureSet)> = None;
    for model in map.models() {
        let wanted = match purpose {
            Purpose::Host => model.for_hosts,
            Purpose::Guest | Purpose::Common => model.for_guests,
        };
        let foreign = !anyones && model.vendor.is_some() && model.vendor.as_deref() != vendor;
        if !wanted || foreign || (offers.is_some() && offer_of(model).is_none()) {
            continue;
        }
        let extra = cpu.features.minus(&model.features).len();
        let mut absent = model.features.minus(&cpu.features);
        let blockers = offer_of(model).map_or(&[][..], |offer| offer.blockers);
        absent.extend(blockers.iter().filter_map(|name| map.feature(name)));
        let missing = absent.len();
        let score = match purpose {
            Purpose::Host if missing > 0 => continue,
            Purpose::Host => Score {
                unsigned: false,
                distance: extra,
            },
            Purpose::Guest => Score {
                unsigned: !cpu.signature.is_some_and(|s| model.signed(s)),
                distance: extra + MISSING * missing,
            },
            Purpose::Common => Score {
                unsigned: false,
                distance: extra + MISSING_IN_COMMON * missing,
            },
        };
        // Versions of a model follow it in the map: a host is called by the most recent one.
        let better = best.as_ref().is_none_or(|(other, ..)| match purpose {
            Purpose::Host => score <= *other,
            Purpose::Guest | Purpose::Common => score < *other,
        });
        if better {
            best = Some((score, model, absent));
        }
    }
    let (_, model, absent) = best?;
    let mut missing = Vec::new();
    if purpose != Purpose::Host {
        missing = map.names(&absent);
        let removed = model.removed.minus(&cpu.features).minus(&absent);
        missing.extend(map.names(&removed));
    }
    let extra = map
        .names(&cpu.features.minus(&model.features))
        .into_iter()
        .filter(|name| !missing.contains(name))
        .collect();
    Some(Named {
        model: model.name.clone(),
        vendor: vendor.map(str::to_owned),
        extra,
        missing,
    })
}

/// How many features too much count as one missing: a model with little missing is nearer than
/// one with as little too much.
const MISSING: usize = 2;

/// The same for what several CPUs have in common, of which the model should be a part.
const MISSING_IN_COMMON: usize = 6;

/// How far a model is from the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    unsigned: bool,
    distance: usize,
}

/// The registers that a set of features needs.
pub fn data_of(map: &X86, features: &FeatureSet) -> CpuData {
    let mut data = CpuData::default();
    let all = map.features();
    for feature in features.iter().filter_map(|number| all.get(number)) {
        for (key, bits) in &feature.bits {
            data.add(*key, *bits);
        }
    }
    data.add(Key::leaf(0), [0; 4]);
    data
}
