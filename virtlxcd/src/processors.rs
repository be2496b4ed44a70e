//! A container's virtual processors. It runs on the host's own: those that it may use are dealt out to
//! as many as its definition says it has, so that what they did adds up to what the container did.

use virt_cgroup::Placed;
use virt_domain::{Domain, NumberSet};
use virt_error::Result;

/// One of a container's virtual processors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    /// The host's processors that it stands for; none where the container has more than it may use.
    pub cpus: NumberSet,
    /// The time that the container used of those, in nanoseconds; `None` where the host does not count
    /// it by processor.
    pub time: Option<u64>,
}

/// The processors of a definition on a host with these.
pub fn dealt(domain: &Domain, online: &NumberSet) -> Vec<NumberSet> {
    let allowed = domain.vcpu.cpuset.as_ref();
    let usable: Vec<u32> = online
        .iter()
        .filter(|cpu| allowed.is_none_or(|set| set.contains(*cpu)))
        .collect();
    let count = domain.vcpu.count() as usize;
    (0..count)
        .map(|own| usable.iter().copied().skip(own).step_by(count).collect())
        .collect()
}

/// The processors of a running container.
///
/// # Errors
/// What can't be read of its group.
pub fn used(
    domain: &Domain,
    online: &NumberSet,
    placed: Option<&Placed>,
) -> Result<Vec<Processor>> {
    let dealt = dealt(domain, online);
    let group = placed.map(Placed::group);
    // Version 2 counts all of it in one number alone.
    let by_cpu = group.and_then(|group| group.cpu_usage_by_cpu().ok());
    let total = match (&by_cpu, group) {
        (None, Some(group)) if dealt.len() == 1 => Some(group.cpu_usage()?.total),
        _ => None,
    };
    let time = |cpus: &NumberSet| match &by_cpu {
        None => total,
        Some(by_cpu) => {
            let own = cpus
                .iter()
                .map(|cpu| by_cpu.get(cpu as usize).unwrap_or(&0));
            Some(own.sum())
        }
    };
    let all = dealt.into_iter().map(|cpus| Processor {
        time: time(&cpus),
        cpus,
    });
    Ok(all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vcpu: &str, online: &str) -> Vec<String> {
        let xml = format!(
            "<domain type='lxc'><name>a</name><memory>65536</memory>{vcpu}\
             <os><type>exe</type><init>/bin/sh</init></os></domain>"
        );
        let online = NumberSet::parse(online).unwrap();
        let dealt = dealt(&Domain::read(&xml).unwrap(), &online);
        dealt.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_hosts_processors_are_dealt_out() {
        assert_eq!(of("", "0-3"), ["0-3"]);
        assert_eq!(of("<vcpu>2</vcpu>", "0-3"), ["0,2", "1,3"]);
        assert_eq!(of("<vcpu cpuset='1-2'>2</vcpu>", "0-3"), ["1", "2"]);
        assert_eq!(of("<vcpu cpuset='1'>2</vcpu>", "0-3"), ["1", ""]);
    }
}
