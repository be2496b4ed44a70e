//! Limits of an interface as typed parameters (`virsh domiftune`). Pure.
//!
//! Facts: `libvirt-domain.h`, VIR_DOMAIN_BANDWIDTH_*.

use virt_domain::devices::interface::{Bandwidth, Rate};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{TypedParam, TypedParamValue};

/// What of a direction is told, and how it is called.
type Part = (&'static str, fn(&mut Rate) -> &mut Option<u64>);

const IN: [Part; 4] = [
    ("inbound.average", |rate| &mut rate.average),
    ("inbound.peak", |rate| &mut rate.peak),
    ("inbound.burst", |rate| &mut rate.burst),
    ("inbound.floor", |rate| &mut rate.floor),
];

const OUT: [Part; 3] = [
    ("outbound.average", |rate| &mut rate.average),
    ("outbound.peak", |rate| &mut rate.peak),
    ("outbound.burst", |rate| &mut rate.burst),
];

/// All of them as they are; 0 is no limit.
pub fn told(limits: Option<&Bandwidth>) -> Vec<TypedParam> {
    let limits = limits.cloned().unwrap_or_default();
    let tell = |rate: Option<Rate>, parts: &[Part]| {
        let mut rate = rate.unwrap_or_default();
        let each = parts.iter().map(|(name, part)| {
            let value = part(&mut rate).unwrap_or(0);
            TypedParam::uint(*name, u32::try_from(value).unwrap_or(u32::MAX))
        });
        each.collect::<Vec<_>>()
    };
    let mut all = tell(limits.inbound, &IN);
    all.extend(tell(limits.outbound, &OUT));
    all
}

/// The limits after a change; none when there is no limit left. A direction whose average is set to 0 has
/// none.
///
/// # Errors
/// INVALID_ARG for a parameter that is none or of another type, or for one that needs an average.
pub fn changed(limits: Option<&Bandwidth>, params: &[TypedParam]) -> Result<Option<Bandwidth>> {
    let mut limits = limits.cloned().unwrap_or_default();
    let wrong = |what: String| Error::new(ErrorCode::InvalidArg, ErrorDomain::None, what);
    for param in params {
        let name = param.field.as_str();
        let TypedParamValue::Uint(value) = param.value else {
            return Err(wrong(format!(
                "invalid type for parameter '{name}', expected 'uint'"
            )));
        };
        let find = |parts: &[Part]| {
            let found = parts.iter().find(|(own, _)| *own == name);
            found.map(|(_, part)| *part)
        };
        let (rate, part) = match (find(&IN), find(&OUT)) {
            (Some(part), _) => (&mut limits.inbound, part),
            (_, Some(part)) => (&mut limits.outbound, part),
            _ => return Err(wrong(format!("parameter '{name}' not supported"))),
        };
        *part(rate.get_or_insert_default()) = Some(u64::from(value)).filter(|value| *value > 0);
    }
    for (direction, rate) in [
        ("inbound", &mut limits.inbound),
        ("outbound", &mut limits.outbound),
    ] {
        let Some(kept) = rate else { continue };
        let rest = kept.peak.is_some() || kept.burst.is_some();
        if kept.average.is_none() && kept.floor.is_none() {
            let asked = |param: &&TypedParam| param.field == format!("{direction}.average");
            // Its average was set to 0, which ends the limit with all that belongs to it.
            if rest && !params.iter().any(|param| asked(&param)) {
                return Err(wrong(format!(
                    "{direction} average is mandatory where a peak or burst is set"
                )));
            }
            *rate = None;
        }
    }
    let none = limits.inbound.is_none() && limits.outbound.is_none();
    Ok((!none).then_some(limits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Bandwidth {
        let text = "<bandwidth><inbound average='1000' peak='5000' burst='64'/></bandwidth>";
        virt_xml::read_named("bandwidth", text).unwrap().0
    }

    #[test]
    fn all_seven_are_told() {
        let told = told(Some(&limits()));
        assert_eq!(told.len(), 7);
        assert_eq!(told[1], TypedParam::uint("inbound.peak", 5000_u32));
        assert_eq!(told[4], TypedParam::uint("outbound.average", 0_u32));
    }

    #[test]
    fn a_change_leaves_the_rest_and_no_average_is_no_limit() {
        let out = [TypedParam::uint("outbound.average", 7_u32)];
        let both = changed(Some(&limits()), &out).unwrap().unwrap();
        assert_eq!(both.inbound, limits().inbound);
        assert_eq!(both.outbound.unwrap().average, Some(7));
        let none = [TypedParam::uint("inbound.average", 0_u32)];
        assert_eq!(changed(Some(&limits()), &none).unwrap(), None);
        for bad in [
            TypedParam::uint("outbound.peak", 7_u32),
            TypedParam::uint("outbound.floor", 7_u32),
            TypedParam::ullong("inbound.average", 7_u64),
        ] {
            assert!(changed(None, &[bad]).is_err());
        }
    }
}
