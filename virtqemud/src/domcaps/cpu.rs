//! CPU modes, and which models work.

use virt_domain::Arch;
use virt_host::cpu::Named;
use virt_host::cpu::map::X86;
use virt_xml::{Writer, YesNo};

use super::Subject;
use super::document::{Enum, Section};
use super::surroundings::Surroundings;
use crate::caps::{Accel, AccelCaps, CapFlag, CpuModel};
use crate::host_model::{self, LeftOut};

/// The `<cpu>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    /// The host's CPU as it is.
    pub host_passthrough: Section,
    /// Everything that can be emulated.
    pub maximum: Section,
    /// The host's CPU by name.
    pub host_model: Option<HostModel>,
    /// The models there are; none when one can't be chosen.
    pub custom: Vec<Model>,
}

/// The host's CPU by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostModel {
    /// Model and features.
    pub cpu: Named,
    /// Whether another model may take its place.
    pub fallback: bool,
    /// Physical address bits of the host, where the guest gets as many.
    pub address_bits: Option<u32>,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// `yes`, `no` or `unknown`.
    pub usable: &'static str,
    /// Whether its use is discouraged.
    pub deprecated: bool,
    /// Its maker.
    pub vendor: String,
    /// The version that the name stands for.
    pub canonical: Option<String>,
    /// Features that keep it from working.
    pub blockers: Vec<String>,
}

pub(super) fn describe(subject: &Subject, host: &Surroundings) -> Modes {
    let caps = subject
        .caps
        .accel(subject.accel())
        .or_else(|| subject.caps.best_accel());
    let x86 = host.cpu_map.as_deref().map(|map| &map.x86);
    let accelerated = subject.accel() != Accel::Tcg;
    let switch = |both: bool| ["on", "off"].into_iter().skip(usize::from(!both));
    Modes {
        host_passthrough: match accelerated {
            true => Section::supported([Enum::new(
                "hostPassthroughMigratable",
                switch(subject.caps.has(CapFlag::CpuMigratable)),
            )]),
            false => Section::default(),
        },
        maximum: match has_maximum(subject, caps) {
            true => Section::supported([Enum::new("maximumMigratable", switch(true))]),
            false => Section::default(),
        },
        host_model: caps.and_then(|caps| host_cpu(subject, host, caps, x86)),
        custom: caps.map_or_else(Vec::new, |caps| models(subject, caps, x86)),
    }
}

fn has_maximum(subject: &Subject, caps: Option<&AccelCaps>) -> bool {
    let listed = |caps: &AccelCaps| caps.cpus.iter().any(|model| model.name == "max");
    match subject.arch {
        Arch::Ppc | Arch::Ppc64 | Arch::Ppc64le | Arch::Sparc | Arch::Sparc64 => false,
        // Not asked for its models, but it has had this one from the start.
        Arch::Riscv32 | Arch::Riscv64 => true,
        _ => caps.is_some_and(listed),
    }
}

fn host_cpu(
    subject: &Subject,
    host: &Surroundings,
    caps: &AccelCaps,
    x86: Option<&X86>,
) -> Option<HostModel> {
    let address_bits = host.address_bits.filter(|_| subject.accel() == Accel::Kvm);
    let (cpu, fallback) = match subject.arch {
        Arch::I686 | Arch::X86_64 => (
            host_model::host_model(x86?, caps, LeftOut::of(subject.caps))?,
            false,
        ),
        Arch::S390x => (
            // On s390x model and features are QEMU's own.
            Some(host_model::as_expanded(caps.host_cpu.as_ref()?))
                .filter(|_| subject.accel() == Accel::Kvm)?,
            false,
        ),
        Arch::Ppc64 | Arch::Ppc64le => (host.host_model.clone()?, true),
        _ => return None,
    };
    Some(HostModel {
        cpu,
        fallback,
        address_bits: address_bits.filter(|_| subject.arch != Arch::S390x),
    })
}

/// Models that are no CPU of their own.
const NOT_MODELS: &[&str] = &["base", "host", "max"];

fn models(subject: &Subject, caps: &AccelCaps, x86: Option<&X86>) -> Vec<Model> {
    let known = |model: &&CpuModel| match (subject.is_x86(), x86) {
        (true, Some(map)) => map.model(&model.name).is_some(),
        (true, None) => !NOT_MODELS.contains(&model.name.as_str()),
        // There is nothing to compare them with.
        (false, _) => model.name != "host",
    };
    let mut models: Vec<_> = caps
        .cpus
        .iter()
        .filter(known)
        .map(|model| described(subject, model, x86))
        .collect();
    models.sort_by(|one, two| one.name.cmp(&two.name));
    models
}

fn described(subject: &Subject, model: &CpuModel, x86: Option<&X86>) -> Model {
    let vendor = match subject.is_x86() {
        true => x86.and_then(|map| map.model(&model.name)?.vendor.clone()),
        false => subject.is_pseries().then(|| "IBM".to_owned()),
    };
    let mut blockers: Vec<_> = model
        .blockers
        .iter()
        .map(|name| {
            let known = x86.and_then(|map| Some(map.feature_name(map.feature(name)?)));
            known.unwrap_or(name).to_owned()
        })
        .collect();
    blockers.sort();
    blockers.dedup();
    Model {
        name: model.name.clone(),
        usable: model.usable.word(),
        deprecated: model.deprecated,
        vendor: vendor.unwrap_or_else(|| "unknown".to_owned()),
        canonical: model
            .alias_of
            .clone()
            .filter(|name| x86.is_none_or(|map| map.model(name).is_some())),
        blockers,
    }
}

impl Modes {
    pub(super) fn write(&self, out: &mut Writer) {
        mode(out, "host-passthrough", &self.host_passthrough, |_| {});
        mode(out, "maximum", &self.maximum, |_| {});
        let by_name = Section::plain(self.host_model.is_some());
        mode(out, "host-model", &by_name, |out| {
            if let Some(model) = &self.host_model {
                model.write(out);
            }
        });
        let custom = Section::plain(!self.custom.is_empty());
        mode(out, "custom", &custom, |out| {
            for model in &self.custom {
                model.write(out);
            }
        });
    }
}

fn mode(out: &mut Writer, name: &str, section: &Section, more: impl FnOnce(&mut Writer)) {
    out.open(
        "mode",
        |tag| {
            tag.text("name", name);
            tag.attr("supported", &YesNo::from(section.supported));
        },
        |out| {
            section.enums.iter().for_each(|e| e.write(out));
            more(out);
        },
    );
}

impl HostModel {
    fn write(&self, out: &mut Writer) {
        let fallback = if self.fallback { "allow" } else { "forbid" };
        out.open(
            "model",
            |tag| tag.text("fallback", fallback),
            |out| out.text(&self.cpu.model),
        );
        if let Some(vendor) = &self.cpu.vendor {
            out.text_element("vendor", vendor);
        }
        if let Some(bits) = &self.address_bits {
            out.open(
                "maxphysaddr",
                |tag| {
                    tag.text("mode", "passthrough");
                    tag.attr("limit", bits);
                },
                |_| {},
            );
        }
        self.cpu.write_features(out);
    }
}

impl Model {
    fn write(&self, out: &mut Writer) {
        out.open(
            "model",
            |tag| {
                tag.text("usable", self.usable);
                if self.deprecated {
                    tag.text("deprecated", "yes");
                }
                tag.attr("vendor", &self.vendor);
                tag.maybe("canonical", &self.canonical);
            },
            |out| out.text(&self.name),
        );
        if self.blockers.is_empty() {
            return;
        }
        out.open(
            "blockers",
            |tag| tag.attr("model", &self.name),
            |out| {
                for blocker in &self.blockers {
                    out.open("feature", |tag| tag.attr("name", blocker), |_| {});
                }
            },
        );
    }
}
