//! Processor time: `virsh schedinfo`.

use std::sync::Arc;

use virt_cgroup::{Controller, Placed};
use virt_driver::api::Session;
use virt_driver::api::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use virt_driver::{Edit as _, Event, change, change_live, off_thread};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetSchedulerParameters, DomainGetSchedulerParametersFlags,
    DomainGetSchedulerParametersFlagsRet, DomainGetSchedulerParametersRet, DomainGetSchedulerType,
    DomainGetSchedulerTypeRet, DomainSetSchedulerParameters, DomainSetSchedulerParametersFlags,
    TypedParam,
};
use virt_rpc::server::Router;

use super::params::{self, Kind};
use super::{STRING_OKAY, asked, run};
use crate::scheduled::{self, Scheduled, What};
use crate::{Limited, Limits};

const NOT_MOUNTED: &str = "cgroup CPU controller is not mounted";

pub(super) fn register<S: Session<Guest: Limited>>(router: &mut Router<S>) {
    router.call::<DomainGetSchedulerType>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        guest.check_tunable("CPU")?;
        let limits = guest.limits();
        if limits.described.live.is_some() {
            limits.groups::<S::Guest>(Controller::Cpu, NOT_MOUNTED)?;
        }
        Ok(DomainGetSchedulerTypeRet {
            r#type: "posix".to_owned(),
            nparams: i32::try_from(S::Guest::SCHEDULED.len()).unwrap_or(i32::MAX),
        })
    });
    router.call::<DomainGetSchedulerParameters>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let params = get::<S>(guest.guest(), 0)?;
        let (params, _) = asked(call.args.nparams, params);
        Ok(DomainGetSchedulerParametersRet { params })
    });
    router.call::<DomainGetSchedulerParametersFlags>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let params = get::<S>(guest.guest(), call.args.flags)?;
        let (params, _) = asked(call.args.nparams, params);
        Ok(DomainGetSchedulerParametersFlagsRet { params })
    });
    router.task::<DomainSetSchedulerParameters, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        guest.check_tunable("CPU")?;
        let params = check(&call.args.params, S::Guest::SCHEDULED, S::DOMAIN)?;
        let guest = guest.into_guest();
        run(&guest, "schedinfo", move |body| {
            Box::pin(set::<S::Guest>(body, params, 0))
        })
        .await
    });
    router.task::<DomainSetSchedulerParametersFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        S::only(
            flags,
            AFFECT_LIVE | AFFECT_CONFIG,
            "DomainSetSchedulerParametersFlags",
        )?;
        guest.check_tunable("CPU")?;
        let params = check(&call.args.params, S::Guest::SCHEDULED, S::DOMAIN)?;
        let guest = guest.into_guest();
        run(&guest, "schedinfo", move |body| {
            Box::pin(set::<S::Guest>(body, params, flags))
        })
        .await
    });
}

fn get<S: Session<Guest: Limited>>(guest: &S::Guest, flags: u32) -> Result<Vec<TypedParam>> {
    S::only(
        flags,
        AFFECT_LIVE | AFFECT_CONFIG | STRING_OKAY,
        "DomainGetSchedulerParametersFlags",
    )?;
    guest.check_tunable("CPU")?;
    flags::exclusive("virDomainGetSchedulerParametersFlags", flags)?;
    let flags = flags & !STRING_OKAY;
    let limits = guest.limits();
    let affects = limits.described.affects(flags)?;
    let domain = limits.described.domain(flags)?;
    let tune = domain.cputune.as_ref();
    let mut told = Vec::new();
    for (name, kind, what) in S::Guest::SCHEDULED {
        let noted = scheduled::get(tune, *what);
        let number = match affects.live {
            true => {
                let placed = limits.groups::<S::Guest>(Controller::Cpu, NOT_MOUNTED)?;
                of_groups(placed, &limits, *what)?.or(noted)
            }
            false => noted,
        };
        told.push(param(name, *kind, number.unwrap_or(0)));
    }
    Ok(told)
}

fn param(name: &str, kind: Kind, number: i64) -> TypedParam {
    match kind {
        Kind::Llong => TypedParam::llong(name, number),
        _ => TypedParam::ullong(name, u64::try_from(number).unwrap_or(0)),
    }
}

/// What the kernel has. Threads of a kind have the same: the first is asked; `None` without any.
fn of_groups(placed: &Placed, limits: &Limits, what: What) -> Result<Option<i64>> {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let (What::Period(of) | What::Quota(of)) = what else {
        return Ok(Some(signed(placed.outer().cpu_shares()?)));
    };
    let Some(group) = limits.of(placed, of).into_iter().next() else {
        return Ok(None);
    };
    let (period, quota) = group.cpu_bandwidth()?;
    Ok(Some(match what {
        What::Period(_) => signed(period),
        _ => quota,
    }))
}

/// The parameters with their numbers, which are in range; what a range of shares is depends on the
/// group.
fn check(
    given: &[TypedParam],
    known: &'static [Scheduled],
    domain: ErrorDomain,
) -> Result<Vec<(Scheduled, i64)>> {
    let names: Vec<_> = known.iter().map(|(name, kind, _)| (*name, *kind)).collect();
    params::check(given, &names, domain)?;
    let mut checked = Vec::new();
    for param in given {
        let Some(known) = known.iter().find(|(name, ..)| *name == param.field) else {
            continue;
        };
        let (name, _, what) = known;
        let number = params::number(param);
        let (least, most) = match what {
            What::Shares => (0, i64::MAX.into()),
            What::Period(_) => (1000, 1_000_000),
            What::Quota(_) => (1000, 17_592_186_044_415),
        };
        let unlimited = matches!(what, What::Quota(_)) && number < 0;
        if !unlimited && !(least..=most).contains(&number) {
            let what = format!("value of '{name}' is out of range [{least}, {most}]");
            return Err(Error::new(ErrorCode::InvalidArg, domain, what));
        }
        checked.push((*known, i64::try_from(number).unwrap_or(i64::MAX)));
    }
    Ok(checked)
}

async fn set<G: Limited>(
    body: &mut G::Editor,
    params: Vec<(Scheduled, i64)>,
    flags: u32,
) -> Result<()> {
    let limits = body.entry().limits();
    let affects = limits.described.affects(flags)?;
    let mut told = Vec::new();
    if affects.live {
        let placed = limits.groups::<G>(Controller::Cpu, NOT_MOUNTED)?;
        for ((name, kind, what), number) in params.iter().copied() {
            let (placed, own) = (Arc::clone(placed), limits.clone());
            off_thread(move || keep(&placed, &own, what, number)).await?;
            // What the kernel has by now is noted even if the next is refused.
            change_live(body, |domain| {
                scheduled::note(domain, what, number);
                Ok(())
            })?;
            told.push(param(&format!("cputune.{name}"), kind, number));
        }
    }
    if !told.is_empty() {
        body.emit(Event::Tunable(told));
    }
    if affects.config {
        change(body, move |domain| {
            for ((.., what), number) in params {
                scheduled::note(domain, what, number);
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Has the kernel keep it. Blocks.
fn keep(placed: &Placed, limits: &Limits, what: What, number: i64) -> Result<()> {
    let unsigned = u64::try_from(number).unwrap_or(0);
    let (What::Period(of) | What::Quota(of)) = what else {
        let (least, most) = match placed.outer().is_unified(Controller::Cpu) {
            true => (1, 10_000),
            false => (2, 262_144),
        };
        if !(least..=most).contains(&unsigned) {
            return Err(Error::new(
                ErrorCode::InvalidArg,
                ErrorDomain::Cgroup,
                format!("shares '{unsigned}' must be in range [{least}, {most}]"),
            ));
        }
        return placed.set_cpu_shares(unsigned);
    };
    for group in limits.of(placed, of) {
        match what {
            What::Period(_) => group.set_cpu_period(unsigned)?,
            _ => group.set_cpu_quota(number)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OF_CONTAINERS, OF_MACHINES};

    #[test]
    fn numbers_are_in_range() {
        let refusal = |given: TypedParam| {
            let error = check(&[given], OF_MACHINES, ErrorDomain::Qemu).err()?;
            Some(error.message().to_owned())
        };
        assert_eq!(
            refusal(TypedParam::ullong("vcpu_period", 10_u64)).as_deref(),
            Some("invalid argument: value of 'vcpu_period' is out of range [1000, 1000000]")
        );
        assert_eq!(
            refusal(TypedParam::llong("global_quota", 10)).as_deref(),
            Some(
                "invalid argument: value of 'global_quota' is out of range [1000, 17592186044415]"
            )
        );
        assert_eq!(refusal(TypedParam::llong("vcpu_quota", -1)), None);
        assert_eq!(refusal(TypedParam::ullong("cpu_shares", 300_000_u64)), None);
    }

    #[test]
    fn a_container_has_one_group() {
        let global = TypedParam::llong("global_quota", 5000);
        let refused = check(&[global], OF_CONTAINERS, ErrorDomain::Lxc).unwrap_err();
        assert!(refused.message().ends_with("'global_quota' not supported"));
    }
}
