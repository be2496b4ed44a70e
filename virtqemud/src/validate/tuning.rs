//! Limits and shares that nothing here keeps: they are refused rather than forgotten. What control
//! groups keep is checked when the guest starts, for it depends on the host.

use super::Context;
use super::refusal::unsupported;
use virt_domain::Domain;
use virt_error::Result;

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    let memtune = domain.memtune.as_ref();
    if memtune.is_some_and(|memtune| memtune.min_guarantee.is_some()) {
        return Err(unsupported(
            "Parameter 'min_guarantee' not supported by QEMU.",
        ));
    }
    if context.config.takes_unmet {
        return Ok(());
    }
    match unmet(domain) {
        None => Ok(()),
        Some(element) => Err(unsupported(format!(
            "element '/domain/{element}' is not supported yet; remove it"
        ))),
    }
}

/// The first element that asks for what is not kept.
fn unmet(domain: &Domain) -> Option<&'static str> {
    let tune = domain.cputune.as_ref();
    let asked: [(bool, &str); 3] = [
        (
            tune.is_some_and(|t| !t.cachetunes.is_empty()),
            "cputune/cachetune",
        ),
        (
            tune.is_some_and(|t| !t.memorytunes.is_empty()),
            "cputune/memorytune",
        ),
        (
            domain.perf.as_ref().is_some_and(|perf| {
                let mut events = perf.events.iter();
                events.any(|event| event.enabled.is_yes())
            }),
            "perf",
        ),
    ];
    if let Some((_, element)) = asked.iter().find(|(asked, _)| *asked) {
        return Some(element);
    }
    let resource = domain.resource.as_ref();
    resource
        .is_some_and(|resource| resource.fibrechannel.is_some())
        .then_some("resource/fibrechannel")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inside: &str) -> Option<&'static str> {
        let xml = format!(
            "<domain type='qemu'><name>a</name><memory>1024</memory><vcpu>1</vcpu>{inside}\
             <os><type arch='x86_64'>hvm</type></os></domain>"
        );
        unmet(&Domain::read(&xml).unwrap())
    }

    #[test]
    fn what_is_not_kept_is_named_and_what_is_kept_passes() {
        assert_eq!(of(""), None);
        assert_eq!(
            of("<cputune><vcpupin vcpu='0' cpuset='0'/><emulatorpin cpuset='0'/></cputune>"),
            None
        );
        for kept in [
            "<cputune><shares>2048</shares><quota>5000</quota></cputune>",
            "<memtune><hard_limit>2048</hard_limit></memtune>",
            "<blkiotune><weight>500</weight></blkiotune>",
            "<cputune><vcpusched vcpus='0' scheduler='fifo' priority='1'/></cputune>",
            "<perf/>",
            "<resource><partition>/machine/prod</partition></resource>",
        ] {
            assert_eq!(of(kept), None, "{kept}");
        }
        assert_eq!(
            of("<perf><event name='cmt' enabled='yes'/></perf>"),
            Some("perf")
        );
    }
}
