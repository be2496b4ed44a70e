//! Limits of a container: what of them a definition can ask for, and its group at its start.

use virt_cgroup::{Controller, MemoryLimit, Placed, UNLIMITED_KIB};
use virt_domain::cputune::Cputune;
use virt_domain::numatune::NumaMode;
use virt_domain::vcpu::Placement;
use virt_domain::{Domain, KiB};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_tuning::{Bandwidth, limit_whole, requirements, strict_nodes};

fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::ConfigUnsupported, ErrorDomain::Lxc, what)
}

/// Refuses limits that no group of a container keeps, and those that contradict each other.
///
/// # Errors
/// CONFIG_UNSUPPORTED with the element; INVALID_ARG.
pub fn check(domain: &Domain) -> Result<()> {
    let memtune = domain.memtune.as_ref();
    if memtune.is_some_and(|tune| tune.min_guarantee.is_some()) {
        return Err(unsupported(
            "<min_guarantee>: the host guarantees no memory to containers",
        ));
    }
    let swap_hard = memtune.and_then(|tune| tune.swap_hard_limit);
    let swap_hard = swap_hard.map_or(UNLIMITED_KIB, |kib| kib.0);
    virt_tuning::memory::check(most_memory(domain), swap_hard, ErrorDomain::Lxc)?;
    if let Some(element) = domain.cputune.as_ref().and_then(of_threads) {
        return Err(unsupported(format!(
            "<{element}>: a container has no threads of the driver's; its processors are those of \
             <vcpu cpuset=…>, its time is limited by <shares>, <period> and <quota>"
        )));
    }
    let Some(numatune) = &domain.numatune else {
        return Ok(());
    };
    if !numatune.memnodes.is_empty() {
        return Err(unsupported(
            "<memnode>: a container has no nodes of its own",
        ));
    }
    let memory = numatune.memory.as_ref();
    if memory.is_some_and(|memory| memory.placement == Some(Placement::Auto)) {
        return Err(unsupported(
            "<numatune>: nobody chooses nodes here; name them in nodeset=…",
        ));
    }
    let mode = memory.and_then(|memory| memory.mode).unwrap_or_default();
    match mode {
        NumaMode::Strict | NumaMode::Restrictive => Ok(()),
        NumaMode::Preferred | NumaMode::Interleave => Err(unsupported(
            "<numatune>: a container's memory is kept to its nodes by its control group: mode \
             'strict' or 'restrictive'",
        )),
    }
}

/// The first element that is about threads a container does not have.
fn of_threads(tune: &Cputune) -> Option<&'static str> {
    let asked = [
        ("vcpupin", !tune.vcpupins.is_empty()),
        ("emulatorpin", tune.emulatorpin.is_some()),
        ("iothreadpin", !tune.iothreadpins.is_empty()),
        ("emulator_period", tune.emulator_period.is_some()),
        ("emulator_quota", tune.emulator_quota.is_some()),
        ("iothread_period", tune.iothread_period.is_some()),
        ("iothread_quota", tune.iothread_quota.is_some()),
        ("vcpusched", !tune.vcpuscheds.is_empty()),
        ("iothreadsched", !tune.iothreadscheds.is_empty()),
        ("emulatorsched", tune.emulatorsched.is_some()),
        ("cachetune", !tune.cachetunes.is_empty()),
        ("memorytune", !tune.memorytunes.is_empty()),
    ];
    let first = asked.iter().find(|(_, asked)| *asked);
    first.map(|(element, _)| *element)
}

/// Refuses a container that the host could not keep within its limits.
///
/// # Errors
/// CONFIG_UNSUPPORTED with what is not there and how it comes there.
pub fn require(domain: &Domain, has: impl Fn(Controller) -> bool) -> Result<()> {
    let asked = [
        (
            true,
            Controller::Memory,
            "<memory> of containers can't be kept",
        ),
        (
            domain.vcpu.cpuset.is_some(),
            Controller::Cpuset,
            "<vcpu cpuset=…> can't be kept",
        ),
        (
            strict_nodes(domain).is_some(),
            Controller::Cpuset,
            "<numatune> can't be kept",
        ),
    ];
    for (asked, controller, what) in asked {
        if asked && !has(controller) {
            return Err(requirements::missing(what, controller, ErrorDomain::Lxc));
        }
    }
    requirements::check(domain, has, ErrorDomain::Lxc)
}

/// The most memory that a container starts with, in KiB: what is said to be its limit, else its size
/// (seen with the stock driver).
fn most_memory(domain: &Domain) -> u64 {
    let said = domain.memtune.as_ref().and_then(|tune| tune.hard_limit);
    said.unwrap_or(domain.memory.size).0
}

/// Has a new container's groups keep what its definition says. Blocks.
///
/// # Errors
/// What can't be set.
pub fn keep(placed: &Placed, domain: &Domain) -> Result<()> {
    let group = placed.group();
    // Before the limit of memory with swap, which is never the smaller one.
    group.set_memory_limit(MemoryLimit::Hard, most_memory(domain))?;
    limit_whole(placed, domain)?;
    if let Some(tune) = &domain.cputune {
        // There is one group: that of all its processors together.
        let own = Bandwidth {
            period: tune.period,
            quota: tune.quota,
        };
        own.apply(group)?;
    }
    if let Some(cpus) = &domain.vcpu.cpuset {
        group.set_cpus(&cpus.to_string())?;
    }
    if let Some(nodes) = strict_nodes(domain) {
        group.set_mems(&nodes.to_string())?;
    }
    Ok(())
}

/// The most memory of a running container whose size is changed to so much: no more than the limit
/// that was set apart from it.
pub fn resized(domain: &Domain, wanted: KiB) -> KiB {
    let said = domain.memtune.as_ref().and_then(|tune| tune.hard_limit);
    said.map_or(wanted, |said| said.min(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(inside: &str) -> Domain {
        let xml = format!(
            "<domain type='lxc'><name>a</name><memory>65536</memory>{inside}\
             <os><type>exe</type><init>/bin/sh</init></os></domain>"
        );
        Domain::read(&xml).unwrap()
    }

    #[test]
    fn what_no_group_of_a_container_keeps_is_refused_by_name() {
        let refused = |inside: &str| check(&container(inside)).map_err(|e| e.message().to_owned());
        assert_eq!(refused(""), Ok(()));
        for kept in [
            "<cputune><shares>9</shares><quota>5000</quota></cputune>",
            "<numatune><memory mode='strict' nodeset='0'/></numatune>",
            "<vcpu cpuset='0'>1</vcpu><memtune><hard_limit>1024</hard_limit></memtune>",
        ] {
            assert_eq!(refused(kept), Ok(()), "{kept}");
        }
        for (named, inside) in [
            (
                "vcpupin",
                "<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>",
            ),
            (
                "emulator_quota",
                "<cputune><emulator_quota>5000</emulator_quota></cputune>",
            ),
            (
                "strict",
                "<numatune><memory mode='interleave' nodeset='0'/></numatune>",
            ),
            (
                "min_guarantee",
                "<memtune><min_guarantee>1</min_guarantee></memtune>",
            ),
            // The size is a limit too.
            (
                "swap_hard_limit",
                "<memtune><swap_hard_limit>1024</swap_hard_limit></memtune>",
            ),
        ] {
            let error = refused(inside).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_controller_that_is_missing_is_named_with_the_remedy() {
        let missing = |inside: &str, there: &[Controller]| {
            let required = require(&container(inside), |one| there.contains(&one));
            required.map_err(|error| error.message().to_owned())
        };
        let all = [Controller::Memory, Controller::Cpuset, Controller::Cpu];
        assert_eq!(missing("<vcpu cpuset='0'>1</vcpu>", &all), Ok(()));
        let error = missing("", &[Controller::Cpu]).unwrap_err();
        assert!(error.contains("<memory>") && error.contains("has 'memory' here; mount"));
        let cpuset = missing("<vcpu cpuset='0'>1</vcpu>", &[Controller::Memory]);
        assert!(cpuset.unwrap_err().contains("<vcpu cpuset=…>"));
        let shares = "<cputune><shares>9</shares></cputune>";
        let error = missing(shares, &[Controller::Memory]).unwrap_err();
        assert!(error.contains("CPU tuning is not available"));
    }

    #[test]
    fn the_size_is_a_limit_unless_another_is_said() {
        assert_eq!(most_memory(&container("")), 65536);
        let said = container("<memtune><hard_limit>1024</hard_limit></memtune>");
        assert_eq!(most_memory(&said), 1024);
        assert_eq!(resized(&said, KiB(4096)), KiB(1024));
        assert_eq!(resized(&container(""), KiB(4096)), KiB(4096));
    }
}
