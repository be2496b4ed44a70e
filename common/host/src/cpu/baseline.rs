//! The most that guests can have which shall run on each of several hosts.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_xml::Writer;

use super::decode::{self, Cpu, Named, Offer, Purpose};
use super::definition::Definition;
use super::map::X86;

/// How the result is described.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// With the model's own features listed as well.
    pub expanded: bool,
    /// Without what keeps guests from being migrated.
    pub migratable: bool,
}

/// The result: a guest's CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// Its name.
    pub cpu: Named,
    /// Whether another model may take its place: not when all were of this one.
    pub fallback: bool,
}

/// Finds it among the models of the map, or those offered.
///
/// # Errors
/// XML_ERROR for a CPU without architecture or model, OPERATION_FAILED when the makers differ,
/// INTERNAL_ERROR for what the map doesn't have.
pub fn baseline(
    map: &X86,
    cpus: &[Definition],
    offers: Option<&[Offer]>,
    manner: Manner,
) -> Result<Baseline> {
    let failed = |what: &str| Error::new(ErrorCode::OperationFailed, ErrorDomain::Cpu, what);
    let [first, others @ ..] = cpus else {
        return Err(failed("no CPU was given"));
    };
    let mut features = first.all_features(map)?;
    for other in others {
        features = features.and(&other.all_features(map)?);
    }
    if manner.migratable {
        features = features.minus(&map.not_migratable());
    }
    let mut named = cpus.iter().filter_map(|cpu| cpu.vendor.as_ref());
    let vendor = named.next();
    if named.any(|other| Some(other) != vendor) {
        return Err(failed("CPU vendors do not match"));
    }
    // A model's own maker counts as well, though it isn't shown.
    let mut makers = cpus.iter().filter_map(|cpu| {
        let model = map.model(cpu.model.as_deref()?)?;
        cpu.vendor.as_ref().or(model.vendor.as_ref())
    });
    if let Some(vendor) = vendor
        && makers.any(|maker| maker != vendor)
    {
        return Err(failed("CPU vendors do not match"));
    }
    if features.is_empty() {
        return Err(failed("CPUs are incompatible"));
    }
    let shown = cpus.iter().all(|cpu| cpu.vendor.is_some());
    let string = vendor.and_then(|name| Some(map.vendor(name)?.string.clone()));
    let cpu = Cpu {
        vendor: string,
        signature: None,
        features,
    };
    let purpose = match offers {
        Some(_) => Purpose::Guest,
        None => Purpose::Common,
    };
    let mut named = only_one(map, cpus, offers, &cpu)
        .or_else(|| decode::name(map, &cpu, purpose, offers))
        .ok_or_else(|| failed("no CPU model fits"))?;
    if !shown {
        named.vendor = None;
    }
    let of_this_model = |cpu: &Definition| cpu.model.as_ref() == Some(&named.model);
    let fallback = offers.is_none() && !cpus.iter().all(of_this_model);
    if manner.expanded
        && let Some(model) = map.model(&named.model)
    {
        let mut own = map.names(&model.features);
        own.retain(|name| !named.missing.contains(name));
        own.sort();
        named.extra.extend(own);
        named.extra.sort();
    }
    Ok(Baseline {
        cpu: named,
        fallback,
    })
}

/// A single CPU whose model a hypervisor offers stays what it is.
fn only_one(map: &X86, cpus: &[Definition], offers: Option<&[Offer]>, cpu: &Cpu) -> Option<Named> {
    let [one] = cpus else { return None };
    let model = map.model(one.model.as_deref()?)?;
    let offered = offers?.iter().any(|offer| offer.name == model.name);
    (offered && model.for_guests).then(|| Named {
        model: model.name.clone(),
        vendor: one.vendor.clone(),
        extra: map.names(&cpu.features.minus(&model.features)),
        missing: map.names(&model.features.minus(&cpu.features)),
    })
}

impl Baseline {
    /// The `<cpu>` of a guest.
    pub fn to_xml(&self) -> String {
        let mut out = Writer::new();
        out.open(
            "cpu",
            |tag| {
                tag.text("mode", "custom");
                tag.text("match", "exact");
            },
            |out| self.cpu.write(out, self.fallback),
        );
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::compare::{self, Comparison, Offered};
    use super::super::tests::map;
    use super::*;

    fn read(xml: &str) -> Definition {
        Definition::read(xml).unwrap()
    }

    #[test]
    fn what_all_have_is_named() {
        let map = map();
        let big = read("<cpu><arch>x86_64</arch><model>big</model><vendor>Intel</vendor></cpu>");
        let small = read(
            "<cpu><arch>x86_64</arch><model>small</model><feature name='c'/><feature name='d'/></cpu>",
        );
        let with = |cpus: &[Definition], manner| baseline(&map.x86, cpus, None, manner).unwrap();
        let same = with(&[big.clone(), big.clone()], Manner::default());
        assert_eq!(
            same.to_xml(),
            "<cpu mode='custom' match='exact'>
  <model fallback='forbid'>big</model>
  <vendor>Intel</vendor>
  <feature policy='disable' name='d'/>
</cpu>
"
        );
        let common = with(&[big, small.clone()], Manner::default());
        assert_eq!(
            (common.cpu.model.as_str(), common.fallback),
            ("small", true)
        );
        assert_eq!(common.cpu.vendor, None);
        let manner = Manner {
            expanded: true,
            migratable: true,
        };
        let all = with(&[small], manner);
        assert_eq!(all.cpu.extra, ["a", "c"]);
    }

    #[test]
    fn makers_have_to_agree() {
        let map = map();
        let cpu = |vendor: &str| {
            read(&format!(
                "<cpu><arch>x86_64</arch><model>small</model><vendor>{vendor}</vendor></cpu>"
            ))
        };
        let error = baseline(
            &map.x86,
            &[cpu("Intel"), cpu("AMD")],
            None,
            Manner::default(),
        );
        assert_eq!(
            error.unwrap_err().message(),
            "operation failed: CPU vendors do not match"
        );
    }

    #[test]
    fn comparisons_say_what_is_missing_forbidden_or_too_much() {
        let map = map();
        let host = read("<cpu><arch>x86_64</arch><model>small</model><feature name='c'/></cpu>");
        let host = Offered::described(&map.x86, &host).unwrap();
        let with = |xml: &str| compare::compare(&map.x86, &host, &read(xml)).unwrap();
        let no = |why: &str| Comparison::Incompatible(why.to_owned());
        assert_eq!(with("<cpu/>"), Comparison::Superset);
        assert_eq!(
            with("<cpu match='exact'><model>small</model></cpu>"),
            Comparison::Superset
        );
        assert_eq!(
            with("<cpu match='strict'><model>small</model><feature name='c'/></cpu>"),
            Comparison::Identical
        );
        assert_eq!(
            with("<cpu match='strict'><model>small</model></cpu>"),
            no("Host CPU does not strictly match guest CPU: Extra features: c")
        );
        assert_eq!(
            with("<cpu match='exact'><model>big</model></cpu>"),
            no("Host CPU does not provide required features: b")
        );
        assert_eq!(
            with("<cpu match='exact'><model>big</model><feature name='b' policy='force'/></cpu>"),
            Comparison::Superset
        );
        assert_eq!(
            with(
                "<cpu match='exact'><model>small</model><feature name='c' policy='forbid'/></cpu>"
            ),
            no("Host CPU provides forbidden features: c")
        );
        assert_eq!(
            with("<cpu match='exact'><model>small</model><vendor>Intel</vendor></cpu>"),
            no("host CPU vendor does not match required CPU vendor Intel")
        );
        assert_eq!(
            with("<cpu><arch>ppc64</arch><model>POWER9</model></cpu>"),
            no("CPU arch ppc64 does not match host arch")
        );
    }
}
