//! Processor time: `virsh schedinfo`.

use std::sync::Arc;

use virt_cgroup::{Controller, Placed};
use virt_domain::Domain;
use virt_domain::cputune::Cputune;
use virt_driver::Event;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetSchedulerParameters, DomainGetSchedulerParametersFlags,
    DomainGetSchedulerParametersFlagsRet, DomainGetSchedulerParametersRet, DomainGetSchedulerType,
    DomainGetSchedulerTypeRet, DomainSetSchedulerParameters, DomainSetSchedulerParametersFlags,
    TypedParam,
};
use virt_rpc::server::Router;

use super::params::{self, Kind};
use super::{affected, asked, bad_argument, blocking, groups, needs_system};
use crate::api::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use crate::api::metadata::described;
use crate::api::session::Session;
use crate::definitions::{change, change_live};
use crate::driver::Driver;
use crate::guest::{Body, Live, Snapshot};
use crate::tuning::groups as names;

/// Strings in typed parameters are welcome; there are none.
const STRING_OKAY: u32 = 4;

const NOT_MOUNTED: &str = "cgroup CPU controller is not mounted";

/// What can be set, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Shares,
    Period(Of),
    Quota(Of),
}

/// Whose time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Vcpus,
    Emulator,
    Guest,
    Iothreads,
}

const ALL: [(&str, Kind, What); 9] = [
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

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetSchedulerType>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        needs_system(call.session().driver(&guest), "CPU")?;
        if let Some(live) = &guest.snapshot().live {
            groups(live, Controller::Cpu, NOT_MOUNTED)?;
        }
        Ok(DomainGetSchedulerTypeRet {
            r#type: "posix".to_owned(),
            nparams: i32::try_from(ALL.len()).unwrap_or(i32::MAX),
        })
    });
    router.call::<DomainGetSchedulerParameters>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let driver = call.session().driver(&guest);
        let params = get(driver, &guest.snapshot(), 0)?;
        let (params, _) = asked(call.args.nparams, params);
        Ok(DomainGetSchedulerParametersRet { params })
    });
    router.call::<DomainGetSchedulerParametersFlags>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let driver = call.session().driver(&guest);
        let params = get(driver, &guest.snapshot(), call.args.flags)?;
        let (params, _) = asked(call.args.nparams, params);
        Ok(DomainGetSchedulerParametersFlagsRet { params })
    });
    router.task::<DomainSetSchedulerParameters, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        needs_system(call.session().driver(&guest), "CPU")?;
        let params = check(&call.args.params)?;
        let guest = guest.into_guest();
        guest
            .run("schedinfo", |body| Box::pin(set(body, params, 0)))
            .await
    });
    router.task::<DomainSetSchedulerParametersFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let flags = call.args.flags;
        flags::only(
            flags,
            AFFECT_LIVE | AFFECT_CONFIG,
            "qemuDomainSetSchedulerParametersFlags",
        )?;
        needs_system(call.session().driver(&guest), "CPU")?;
        let params = check(&call.args.params)?;
        let guest = guest.into_guest();
        guest
            .run("schedinfo", move |body| Box::pin(set(body, params, flags)))
            .await
    });
}

fn get(driver: &Driver, snapshot: &Snapshot, flags: u32) -> Result<Vec<TypedParam>> {
    flags::only(
        flags,
        AFFECT_LIVE | AFFECT_CONFIG | STRING_OKAY,
        "qemuDomainGetSchedulerParametersFlags",
    )?;
    needs_system(driver, "CPU")?;
    flags::exclusive("virDomainGetSchedulerParametersFlags", flags)?;
    let flags = flags & !STRING_OKAY;
    let affects = flags::affects(flags, snapshot.is_active(), snapshot.definition.is_some())?;
    let live = snapshot.live.as_deref().filter(|_| affects.live);
    let numbers = match live {
        Some(live) => {
            let placed = groups(live, Controller::Cpu, NOT_MOUNTED)?;
            of_groups(placed, live)?
        }
        None => {
            let domain = described(snapshot, flags)?;
            ALL.map(|(.., what)| note_of(domain.cputune.as_ref(), what).unwrap_or(0))
        }
    };
    Ok(ALL
        .iter()
        .zip(numbers)
        .map(|((name, kind, _), number)| param(name, *kind, number))
        .collect())
}

fn param(name: &str, kind: Kind, number: i64) -> TypedParam {
    match kind {
        Kind::Llong => TypedParam::llong(name, number),
        _ => TypedParam::ullong(name, u64::try_from(number).unwrap_or(0)),
    }
}

/// What the kernel has. Threads of a kind have the same: the first is asked.
fn of_groups(placed: &Placed, live: &Live) -> Result<[i64; 9]> {
    let group = placed.group();
    let threads = |name: String| group.threads(&name).cpu_bandwidth();
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let first_vcpu = live.vcpus.first().map(|vcpu| names::of_vcpu(vcpu.index));
    let first_iothread = live.iothreads.first().map(|one| names::of_iothread(one.id));
    let tune = live.domain.cputune.as_ref();
    let of_kind = |name: Option<String>, of: Of| match name {
        Some(name) => threads(name),
        None => Ok((
            note_of(tune, What::Period(of)).map_or(0, |period| u64::try_from(period).unwrap_or(0)),
            note_of(tune, What::Quota(of)).unwrap_or(0),
        )),
    };
    let vcpus = of_kind(first_vcpu, Of::Vcpus)?;
    let emulator = threads(names::EMULATOR.to_owned())?;
    let whole = group.cpu_bandwidth()?;
    let iothreads = of_kind(first_iothread, Of::Iothreads)?;
    Ok([
        signed(placed.outer().cpu_shares()?),
        signed(vcpus.0),
        vcpus.1,
        signed(emulator.0),
        emulator.1,
        signed(whole.0),
        whole.1,
        signed(iothreads.0),
        iothreads.1,
    ])
}

/// The definition's own number.
fn note_of(tune: Option<&Cputune>, what: What) -> Option<i64> {
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

fn note(domain: &mut Domain, what: What, number: i64) {
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

/// The parameters with their numbers, which are in range; what a range of shares is depends on the
/// group.
fn check(given: &[TypedParam]) -> Result<Vec<(&'static str, Kind, What, i64)>> {
    params::check(given, &ALL.map(|(name, kind, _)| (name, kind)))?;
    let mut checked = Vec::new();
    for param in given {
        let Some((name, kind, what)) = ALL.iter().find(|(name, ..)| *name == param.field) else {
            continue;
        };
        let number = params::number(param);
        let (least, most) = match what {
            What::Shares => (0, i64::MAX.into()),
            What::Period(_) => (1000, 1_000_000),
            What::Quota(_) => (1000, 17_592_186_044_415),
        };
        let unlimited = matches!(what, What::Quota(_)) && number < 0;
        if !unlimited && !(least..=most).contains(&number) {
            return Err(bad_argument(format!(
                "value of '{name}' is out of range [{least}, {most}]"
            )));
        }
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        checked.push((*name, *kind, *what, number));
    }
    Ok(checked)
}

async fn set(
    body: &mut Body,
    params: Vec<(&'static str, Kind, What, i64)>,
    flags: u32,
) -> Result<()> {
    let affects = affected(body, flags)?;
    let mut told = Vec::new();
    if affects.live {
        let live = body.live()?;
        groups(&live, Controller::Cpu, NOT_MOUNTED)?;
        for (name, kind, what, number) in &params {
            let (what, number) = (*what, *number);
            let live = Arc::clone(&live);
            blocking(move || keep(&live, what, number)).await?;
            // What the kernel has by now is noted even if the next is refused.
            change_live(body, |domain| {
                note(domain, what, number);
                Ok(())
            })?;
            told.push(param(&format!("cputune.{name}"), *kind, number));
        }
    }
    if !told.is_empty() {
        body.emit(Event::Tunable(told));
    }
    if affects.config {
        change(body, move |domain| {
            for (.., what, number) in params {
                note(domain, what, number);
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Has the kernel keep it. Blocks.
fn keep(live: &Live, what: What, number: i64) -> Result<()> {
    let placed = groups(live, Controller::Cpu, NOT_MOUNTED)?;
    let group = placed.group();
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
    let all = match of {
        Of::Guest => vec![group.clone()],
        Of::Emulator => vec![group.threads(names::EMULATOR)],
        Of::Vcpus => live
            .vcpus
            .iter()
            .map(|vcpu| group.threads(&names::of_vcpu(vcpu.index)))
            .collect(),
        Of::Iothreads => live
            .iothreads
            .iter()
            .map(|one| group.threads(&names::of_iothread(one.id)))
            .collect(),
    };
    for group in all {
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

    #[test]
    fn numbers_are_in_range() {
        let refusal = |given: TypedParam| {
            let error = check(&[given]).err()?;
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
    fn what_is_noted_is_told() {
        let mut domain = Domain::default();
        for (number, (.., what)) in (1..).zip(ALL) {
            note(&mut domain, what, number);
        }
        let told = ALL.map(|(.., what)| note_of(domain.cputune.as_ref(), what).unwrap());
        assert_eq!(told, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
