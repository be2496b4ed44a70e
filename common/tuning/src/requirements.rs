//! What a definition asks of the host's controllers. The refusals are the stock daemon's.

use virt_cgroup::Controller;
use virt_domain::Domain;
use virt_domain::cputune::Cputune;
use virt_domain::memory::Memtune;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// Whether the definition limits processor time in any group.
pub fn has_bandwidth(tune: &Cputune) -> bool {
    let periods = [
        tune.period,
        tune.global_period,
        tune.emulator_period,
        tune.iothread_period,
    ];
    let quotas = [
        tune.quota,
        tune.global_quota,
        tune.emulator_quota,
        tune.iothread_quota,
    ];
    periods.iter().any(Option::is_some) || quotas.iter().any(Option::is_some)
}

/// Whether the definition limits memory by a group.
pub fn has_memory_limit(tune: &Memtune) -> bool {
    tune.hard_limit.is_some() || tune.soft_limit.is_some() || tune.swap_hard_limit.is_some()
}

/// Refuses a guest that the host could not keep within its limits. `has` says which controllers
/// there are, `domain` whose error it is.
///
/// # Errors
/// CONFIG_UNSUPPORTED with what is not available.
pub fn check(domain: &Domain, has: impl Fn(Controller) -> bool, from: ErrorDomain) -> Result<()> {
    let tune = domain.cputune.as_ref();
    let asked = [
        (
            domain.blkiotune.as_ref().is_some_and(|tune| {
                tune.weight.is_some_and(|weight| weight != 0) || !tune.devices.is_empty()
            }),
            Controller::Blkio,
            "Block I/O tuning is not available on this host",
        ),
        (
            domain.memtune.as_ref().is_some_and(has_memory_limit),
            Controller::Memory,
            "Memory cgroup is not available on this host",
        ),
        (
            tune.is_some_and(|tune| tune.shares.is_some()),
            Controller::Cpu,
            "CPU tuning is not available on this host",
        ),
        (
            tune.is_some_and(has_bandwidth),
            Controller::Cpu,
            "cgroup cpu is required for scheduler tuning",
        ),
    ];
    let unmet = asked
        .into_iter()
        .find(|(asked, controller, _)| *asked && !has(*controller));
    match unmet {
        None => Ok(()),
        Some((_, controller, what)) => Err(missing(what, controller, from)),
    }
}

/// What is not there, and what to do about it.
pub fn missing(what: &str, controller: Controller, from: ErrorDomain) -> Error {
    let name = controller.name();
    let what = format!(
        "{what}: no control group has '{name}' here; mount that controller (version 1) or have \
         cgroup.controllers of the root list it (version 2; the kernel's cgroup_disable= and \
         cgroup_enable= decide), and start the daemon again"
    );
    Error::new(ErrorCode::ConfigUnsupported, from, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(inside: &str, there: &[Controller]) -> Option<String> {
        let xml = format!(
            "<domain type='qemu'><name>a</name><memory>1024</memory><vcpu>1</vcpu>{inside}\
             <os><type arch='x86_64'>hvm</type></os></domain>"
        );
        let domain = Domain::read(&xml).unwrap();
        let checked = check(
            &domain,
            |controller| there.contains(&controller),
            ErrorDomain::Qemu,
        );
        checked.err().map(|error| error.message().to_owned())
    }

    #[test]
    fn only_what_is_asked_for_has_to_be_there() {
        let shares = "<cputune><shares>10</shares></cputune>";
        assert_eq!(refusal("", &[]), None);
        assert_eq!(refusal(shares, &[Controller::Cpu]), None);
        let refused = refusal(shares, &[Controller::Memory]).unwrap();
        let stock = "unsupported configuration: CPU tuning is not available on this host";
        assert!(refused.starts_with(stock), "{refused}");
        assert!(refused.contains("has 'cpu' here; mount"), "{refused}");
        let quota = "<cputune><emulator_quota>5000</emulator_quota></cputune>";
        let refused = refusal(quota, &[]).unwrap();
        let stock = "unsupported configuration: cgroup cpu is required for scheduler tuning";
        assert!(refused.starts_with(stock), "{refused}");
        let pin = "<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>";
        assert_eq!(refusal(pin, &[]), None);
        let guarantee = "<memtune><min_guarantee>1</min_guarantee></memtune>";
        assert_eq!(refusal(guarantee, &[]), None);
        let limit = "<memtune><soft_limit>1</soft_limit></memtune>";
        assert!(
            refusal(limit, &[Controller::Cpu])
                .unwrap()
                .contains("Memory cgroup")
        );
        let weight = "<blkiotune><weight>500</weight></blkiotune>";
        assert!(
            refusal(weight, &[Controller::Cpu])
                .unwrap()
                .contains("Block I/O")
        );
    }
}
