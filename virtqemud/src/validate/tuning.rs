//! Limits and shares that only control groups could keep: the driver puts no guest into one yet, so
//! they are refused rather than forgotten. Pinning is kept without them.

use super::Context;
use super::refusal::unsupported;
use virt_domain::Domain;
use virt_error::Result;

/// The partition that needs no control group of its own.
const DEFAULT_PARTITION: &str = "/machine";

pub(super) fn check(domain: &Domain, context: &Context) -> Result<()> {
    if context.config.takes_unmet {
        return Ok(());
    }
    match unmet(domain) {
        None => Ok(()),
        Some(element) => Err(unsupported(format!(
            "element '/domain/{element}' is not supported yet: guests are not put into control \
             groups; remove it"
        ))),
    }
}

/// The first element that asks for what is not kept.
fn unmet(domain: &Domain) -> Option<&'static str> {
    if domain.blkiotune.is_some() {
        return Some("blkiotune");
    }
    if domain.memtune.as_ref().is_some_and(|tune| {
        tune.soft_limit.is_some() || tune.swap_hard_limit.is_some() || tune.hard_limit.is_some()
    }) {
        return Some("memtune");
    }
    let tune = domain.cputune.as_ref();
    let asked: [(bool, &str); 11] = [
        (tune.is_some_and(|t| t.shares.is_some()), "cputune/shares"),
        (tune.is_some_and(|t| t.period.is_some()), "cputune/period"),
        (tune.is_some_and(|t| t.quota.is_some()), "cputune/quota"),
        (
            tune.is_some_and(|t| t.global_period.is_some() || t.global_quota.is_some()),
            "cputune/global_quota",
        ),
        (
            tune.is_some_and(|t| t.emulator_period.is_some() || t.emulator_quota.is_some()),
            "cputune/emulator_quota",
        ),
        (
            tune.is_some_and(|t| t.iothread_period.is_some() || t.iothread_quota.is_some()),
            "cputune/iothread_quota",
        ),
        (
            tune.is_some_and(|t| !t.iothreadpins.is_empty()),
            "cputune/iothreadpin",
        ),
        (
            tune.is_some_and(|t| {
                t.emulatorsched.is_some()
                    || !t.vcpuscheds.is_empty()
                    || !t.iothreadscheds.is_empty()
            }),
            "cputune/vcpusched",
        ),
        (
            tune.is_some_and(|t| !t.cachetunes.is_empty()),
            "cputune/cachetune",
        ),
        (
            tune.is_some_and(|t| !t.memorytunes.is_empty()),
            "cputune/memorytune",
        ),
        (domain.perf.is_some(), "perf"),
    ];
    if let Some((_, element)) = asked.iter().find(|(asked, _)| *asked) {
        return Some(element);
    }
    let resource = domain.resource.as_ref();
    if resource
        .and_then(|resource| resource.partition.as_deref())
        .is_some_and(|partition| partition != DEFAULT_PARTITION)
    {
        return Some("resource/partition");
    }
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
        assert_eq!(
            of("<cputune><shares>2048</shares></cputune>"),
            Some("cputune/shares")
        );
        assert_eq!(
            of("<memtune><hard_limit>2048</hard_limit></memtune>"),
            Some("memtune")
        );
        assert_eq!(
            of("<blkiotune><weight>500</weight></blkiotune>"),
            Some("blkiotune")
        );
        assert_eq!(
            of("<resource><partition>/machine/prod</partition></resource>"),
            Some("resource/partition")
        );
        assert_eq!(
            of("<resource><partition>/machine</partition></resource>"),
            None
        );
    }
}
