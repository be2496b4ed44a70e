//! Parameters of processor time: their names, their types, their place in a definition.

use virt_domain::Domain;
use virt_domain::cputune::Cputune;

use crate::api::params::Kind;

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The weight against other guests.
    Shares,
    /// The period, in microseconds.
    Period(Of),
    /// The quota, in microseconds.
    Quota(Of),
}

/// Whose time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Each virtual processor's.
    Vcpus,
    /// That of the threads that have no groups of their own.
    Emulator,
    /// All of the guest's.
    Guest,
    /// Each I/O thread's.
    Iothreads,
}

/// A parameter: its name (`libvirt-domain.h`), type and meaning.
pub type Scheduled = (&'static str, Kind, What);

/// Those of virtual machines, in the order in which they are told.
pub const OF_MACHINES: &[Scheduled] = &[
    ("cpu_shares", Kind::Ullong, What::Shares),
    ("vcpu_period", Kind::Ullong, What::Period(Of::Vcpus)),
    ("vcpu_quota", Kind::Llong, What::Quota(Of::Vcpus)),
    ("emulator_period", Kind::Ullong, What::Period(Of::Emulator)),
    ("emulator_quota", Kind::Llong, What::Quota(Of::Emulator)),
    ("global_period", Kind::Ullong, What::Period(Of::Guest)),
    ("global_quota", Kind::Llong, What::Quota(Of::Guest)),
    ("iothread_period", Kind::Ullong, What::Period(Of::Iothreads)),
    ("iothread_quota", Kind::Llong, What::Quota(Of::Iothreads)),
];

/// Those of containers (seen with the stock driver).
pub const OF_CONTAINERS: &[Scheduled] = &[
    ("cpu_shares", Kind::Ullong, What::Shares),
    ("vcpu_period", Kind::Ullong, What::Period(Of::Vcpus)),
    ("vcpu_quota", Kind::Llong, What::Quota(Of::Vcpus)),
];

/// The definition's own number.
pub(crate) fn get(tune: Option<&Cputune>, what: What) -> Option<i64> {
    let tune = tune?;
    let signed = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    match what {
        What::Shares => signed(tune.shares),
        What::Period(Of::Vcpus) => signed(tune.period),
        What::Period(Of::Emulator) => signed(tune.emulator_period),
        What::Period(Of::Guest) => signed(tune.global_period),
        What::Period(Of::Iothreads) => signed(tune.iothread_period),
        What::Quota(Of::Vcpus) => tune.quota,
        What::Quota(Of::Emulator) => tune.emulator_quota,
        What::Quota(Of::Guest) => tune.global_quota,
        What::Quota(Of::Iothreads) => tune.iothread_quota,
    }
}

/// Notes it.
pub(crate) fn note(domain: &mut Domain, what: What, number: i64) {
    let tune = domain.cputune.get_or_insert_default();
    let unsigned = u64::try_from(number).ok();
    match what {
        What::Shares => tune.shares = unsigned,
        What::Period(Of::Vcpus) => tune.period = unsigned,
        What::Period(Of::Emulator) => tune.emulator_period = unsigned,
        What::Period(Of::Guest) => tune.global_period = unsigned,
        What::Period(Of::Iothreads) => tune.iothread_period = unsigned,
        What::Quota(Of::Vcpus) => tune.quota = Some(number),
        What::Quota(Of::Emulator) => tune.emulator_quota = Some(number),
        What::Quota(Of::Guest) => tune.global_quota = Some(number),
        What::Quota(Of::Iothreads) => tune.iothread_quota = Some(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_told() {
        let mut domain = Domain::default();
        for (number, (.., what)) in (1..).zip(OF_MACHINES) {
            note(&mut domain, *what, number);
        }
        let told = OF_MACHINES.iter();
        let told = told.map(|(.., what)| get(domain.cputune.as_ref(), *what).unwrap());
        assert!(told.eq(1..=9));
    }
}
