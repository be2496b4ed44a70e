//! Limits of a guest as a whole, set when it starts.

use virt_cgroup::{Controller, Placed};
use virt_domain::Domain;
use virt_error::Result;

use crate::{Bandwidth, blkio, memory};

/// Has a new guest's groups keep what its definition says of the guest as a whole. Blocks.
///
/// # Errors
/// What can't be set.
pub fn limit(placed: &Placed, domain: &Domain) -> Result<()> {
    let group = placed.group();
    if let Some(tune) = &domain.blkiotune {
        if let Some(weight) = tune.weight.filter(|weight| *weight != 0) {
            placed.set_blkio_weight(weight.into())?;
        }
        for device in &tune.devices {
            blkio::apply(placed, device)?;
        }
    }
    if let Some(tune) = &domain.memtune {
        memory::apply(group, tune)?;
    }
    if let Some(tune) = &domain.cputune {
        if let Some(shares) = tune.shares {
            placed.set_cpu_shares(shares)?;
        }
        let whole = Bandwidth {
            period: tune.global_period,
            quota: tune.global_quota,
        };
        whole.apply(group)?;
    }
    if group.has(Controller::Cpuset) {
        group.migrate_memory()?;
    }
    Ok(())
}
