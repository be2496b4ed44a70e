//! Limits of memory.

use virt_cgroup::{Group, MemoryLimit, UNLIMITED_KIB};
use virt_domain::KiB;
use virt_domain::memory::Memtune;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

/// The limits in the order in which they may be set on a group that has none, with the names of
/// their parameters (`libvirt-domain.h`).
pub const LIMITS: [(MemoryLimit, &str); 3] = [
    (MemoryLimit::Hard, "hard_limit"),
    (MemoryLimit::Soft, "soft_limit"),
    (MemoryLimit::SwapHard, "swap_hard_limit"),
];

/// A limit of the definition, in KiB.
pub fn get(tune: Option<&Memtune>, limit: MemoryLimit) -> Option<u64> {
    let tune = tune?;
    let value = match limit {
        MemoryLimit::Hard => tune.hard_limit,
        MemoryLimit::Soft => tune.soft_limit,
        MemoryLimit::SwapHard => tune.swap_hard_limit,
    };
    value.map(|value| value.0)
}

/// Notes a limit in KiB; one that is none is taken away.
pub fn note(tune: &mut Memtune, limit: MemoryLimit, kib: u64) {
    let value = (kib < UNLIMITED_KIB).then_some(KiB(kib));
    match limit {
        MemoryLimit::Hard => tune.hard_limit = value,
        MemoryLimit::Soft => tune.soft_limit = value,
        MemoryLimit::SwapHard => tune.swap_hard_limit = value,
    }
}

/// Refuses limits that contradict each other: memory is part of memory and swap. `domain` is that of
/// the error.
///
/// # Errors
/// INVALID_ARG.
pub fn check(hard: u64, swap_hard: u64, domain: ErrorDomain) -> Result<()> {
    match hard > swap_hard {
        true => Err(Error::new(
            ErrorCode::InvalidArg,
            domain,
            "memory hard_limit tunable value must be lower than or equal to swap_hard_limit",
        )),
        false => Ok(()),
    }
}

/// Sets what the definition says on a new group.
///
/// # Errors
/// The group's.
pub fn apply(group: &Group, tune: &Memtune) -> Result<()> {
    for (limit, _) in LIMITS {
        if let Some(kib) = get(Some(tune), limit) {
            group.set_memory_limit(limit, kib)?;
        }
    }
    Ok(())
}
