//! Limits of memory: `virsh memtune`.

use std::sync::Arc;

use virt_cgroup::{Controller, Group, MemoryLimit, UNLIMITED_KIB};
use virt_domain::Domain;
use virt_driver::api::Session;
use virt_driver::api::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use virt_driver::{Edit as _, change, change_live, off_thread};
use virt_error::{ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetMemoryParameters, DomainGetMemoryParametersRet, DomainSetMemoryParameters, TypedParam,
};
use virt_rpc::server::{Call, Router};

use super::params::{self, Kind};
use super::{STRING_OKAY, asked, run};
use crate::Limited;
use crate::memory::{self, LIMITS};

const NOT_MOUNTED: &str = "cgroup memory controller is not mounted";

pub(super) fn register<S: Session<Guest: Limited>>(router: &mut Router<S>) {
    router.call::<DomainGetMemoryParameters>(get);
    router.task::<DomainSetMemoryParameters, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        S::only(
            flags,
            AFFECT_LIVE | AFFECT_CONFIG,
            "DomainSetMemoryParameters",
        )?;
        params::check(
            &call.args.params,
            &LIMITS.map(|(_, name)| (name, Kind::Ullong)),
            S::DOMAIN,
        )?;
        guest.check_tunable("Memory")?;
        let wanted = Wanted::of(&call.args.params);
        let guest = guest.into_guest();
        run(&guest, "memtune", move |body| {
            Box::pin(set::<S::Guest>(body, wanted, flags))
        })
        .await
    });
}

fn get<S: Session<Guest: Limited>>(
    call: &Call<DomainGetMemoryParameters, S>,
) -> Result<DomainGetMemoryParametersRet> {
    let args = &call.args;
    let guest = call.session().guest(call, &args.dom)?;
    S::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG | STRING_OKAY,
        "DomainGetMemoryParameters",
    )?;
    guest.check_tunable("Memory")?;
    flags::exclusive("virDomainGetMemoryParameters", args.flags)?;
    let flags = args.flags & !STRING_OKAY;
    let limits = guest.limits();
    let affects = limits.described.affects(flags)?;
    let mut told = Vec::with_capacity(LIMITS.len());
    for (limit, name) in LIMITS {
        let kib = match affects.live {
            true => {
                let placed = limits.groups::<S::Guest>(Controller::Memory, NOT_MOUNTED)?;
                placed.group().memory_limit(limit)?
            }
            false => memory::get(limits.described.domain(flags)?.memtune.as_ref(), limit),
        };
        told.push(TypedParam::ullong(name, kib.unwrap_or(UNLIMITED_KIB)));
    }
    let (params, nparams) = asked(args.nparams, told);
    Ok(DomainGetMemoryParametersRet { params, nparams })
}

/// The limits that are to be set, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Wanted {
    hard: Option<u64>,
    soft: Option<u64>,
    swap_hard: Option<u64>,
}

impl Wanted {
    fn of(given: &[TypedParam]) -> Self {
        let find = |name: &str| {
            let param = given.iter().find(|param| param.field == name)?;
            Some(params::positive(param).min(UNLIMITED_KIB))
        };
        Self {
            hard: find("hard_limit"),
            soft: find("soft_limit"),
            swap_hard: find("swap_hard_limit"),
        }
    }

    /// Refuses what contradicts itself or what stays of the limits that are there.
    fn check(self, now: impl Fn(MemoryLimit) -> Result<u64>, domain: ErrorDomain) -> Result<()> {
        if self.hard.is_none() && self.swap_hard.is_none() {
            return Ok(());
        }
        let or_now = |wanted: Option<u64>, limit| wanted.map_or_else(|| now(limit), Ok);
        memory::check(
            or_now(self.hard, MemoryLimit::Hard)?,
            or_now(self.swap_hard, MemoryLimit::SwapHard)?,
            domain,
        )
    }

    /// The limits with their order: the kernel refuses more memory than memory and swap at any
    /// moment, so what grows goes first with swap, what shrinks without.
    fn in_order(self, swap_grows: bool) -> Vec<(MemoryLimit, u64)> {
        let hard = self.hard.map(|kib| (MemoryLimit::Hard, kib));
        let swap = self.swap_hard.map(|kib| (MemoryLimit::SwapHard, kib));
        let soft = self.soft.map(|kib| (MemoryLimit::Soft, kib));
        let ordered = match swap_grows {
            true => [swap, hard, soft],
            false => [hard, swap, soft],
        };
        ordered.into_iter().flatten().collect()
    }

    fn note(self, domain: &mut Domain) {
        let tune = domain.memtune.get_or_insert_default();
        for (limit, kib) in self.in_order(false) {
            memory::note(tune, limit, kib);
        }
    }
}

async fn set<G: Limited>(body: &mut G::Editor, wanted: Wanted, flags: u32) -> Result<()> {
    let limits = body.entry().limits();
    let affects = limits.described.affects(flags)?;
    if let (true, Some(definition)) = (affects.config, &limits.described.definition) {
        let domain = definition.domain()?;
        let tune = domain.memtune.as_ref();
        let now = |limit| Ok(memory::get(tune, limit).unwrap_or(UNLIMITED_KIB));
        wanted.check(now, G::DOMAIN)?;
    }
    if affects.live {
        let placed = Arc::clone(limits.groups::<G>(Controller::Memory, NOT_MOUNTED)?);
        off_thread(move || keep(placed.group(), wanted, G::DOMAIN)).await?;
        change_live(body, |domain| {
            wanted.note(domain);
            Ok(())
        })?;
    }
    if affects.config {
        change(body, move |domain| {
            wanted.note(domain);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Has the kernel keep them. Blocks.
fn keep(group: &Group, wanted: Wanted, domain: ErrorDomain) -> Result<()> {
    let now = |limit| Ok(group.memory_limit(limit)?.unwrap_or(UNLIMITED_KIB));
    wanted.check(now, domain)?;
    let swap_now = now(MemoryLimit::SwapHard)?;
    let swap_grows = wanted.swap_hard.is_some_and(|kib| kib > swap_now);
    for (limit, kib) in wanted.in_order(swap_grows) {
        group.set_memory_limit(limit, kib)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_part_of_memory_and_swap() {
        let unlimited = |_| Ok(UNLIMITED_KIB);
        let wanted = |hard, swap_hard| Wanted {
            hard,
            swap_hard,
            soft: None,
        };
        let qemu = ErrorDomain::Qemu;
        assert!(wanted(Some(1), None).check(unlimited, qemu).is_ok());
        assert!(wanted(None, Some(1)).check(unlimited, qemu).is_err());
        assert!(wanted(Some(2), Some(1)).check(unlimited, qemu).is_err());
        assert!(wanted(Some(1), Some(1)).check(unlimited, qemu).is_ok());
        assert!(wanted(Some(3), None).check(|_| Ok(2), qemu).is_err());
    }

    #[test]
    fn the_larger_limit_is_never_below_the_smaller_one() {
        let wanted = Wanted {
            hard: Some(1),
            soft: None,
            swap_hard: Some(2),
        };
        let order = |grows| wanted.in_order(grows)[0].0;
        assert_eq!(order(true), MemoryLimit::SwapHard);
        assert_eq!(order(false), MemoryLimit::Hard);
        let mut domain = Domain::default();
        wanted.note(&mut domain);
        assert_eq!(
            memory::get(domain.memtune.as_ref(), MemoryLimit::SwapHard),
            Some(2)
        );
    }
}
