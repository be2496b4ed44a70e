//! How much memory a guest has: asking and changing.

use std::sync::Arc;

use virt_domain::devices::memballoon::{BalloonModel, Memballoon};
use virt_domain::{Domain, KiB};
use virt_driver::audit::{Amount, Reason};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetMaxMemory, DomainGetMaxMemoryRet, DomainSetMaxMemory, DomainSetMemory,
    DomainSetMemoryFlags, DomainSetMemoryStatsPeriod,
};
use virt_rpc::server::Router;

use super::flags::{self, AFFECT_CONFIG, AFFECT_LIVE, Affects};
use super::session::Session;
use crate::definitions::{change, change_live};
use crate::guest::{Body, Guest};

/// The size itself is meant, not what the balloon leaves of it (`libvirt-domain.h`).
const MAXIMUM: u32 = 4;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetMaxMemory>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let memory = guest.snapshot().size().memory;
        Ok(DomainGetMaxMemoryRet { memory })
    });
    router.task::<DomainSetMaxMemory, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set(guest.guest(), call.args.memory, MAXIMUM).await
    });
    router.task::<DomainSetMemory, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set(guest.guest(), call.args.memory, AFFECT_LIVE).await
    });
    router.task::<DomainSetMemoryFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set(guest.guest(), call.args.memory, call.args.flags).await
    });
    router.task::<DomainSetMemoryStatsPeriod, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        let (period, flags) = (call.args.period, call.args.flags);
        flags::only(
            flags,
            AFFECT_LIVE | AFFECT_CONFIG,
            "qemuDomainSetMemoryStatsPeriod",
        )?;
        let period = u32::try_from(period).map_err(|_| negative_period())?;
        let guest = guest.into_guest();
        guest
            .run("memory", move |body| {
                Box::pin(set_period(body, period, flags))
            })
            .await
    });
}

fn negative_period() -> Error {
    Error::new(
        ErrorCode::InvalidArg,
        ErrorDomain::Domain,
        "period in virDomainSetMemoryStatsPeriod must be zero or greater",
    )
}

/// How often the guest tells its balloon's statistics, in seconds; 0: never.
async fn set_period(body: &mut Body, period: u32, flags: u32) -> Result<()> {
    let snapshot = body.guest().current();
    let persistent = snapshot.definition.is_some();
    let affects = flags::affects(flags, snapshot.is_active(), persistent)?;
    if affects.live {
        let live = snapshot.running()?;
        let balloon = balloon(&live.domain).ok_or_else(no_balloon)?;
        let alias = balloon.info.alias().unwrap_or("balloon0");
        let told = live.qemu.monitor.poll_guest_stats(alias, period).await;
        told.map_err(|error| error.about(&snapshot.name))?;
        change_live(body, |domain| note_period(domain, period))?;
    }
    if affects.config {
        change(body, move |domain| note_period(domain, period)).await?;
    }
    Ok(())
}

/// The balloon, if it is one.
fn balloon(domain: &Domain) -> Option<&Memballoon> {
    let balloon = domain.devices.memballoon.as_ref();
    balloon.filter(|balloon| balloon.model != BalloonModel::None)
}

fn no_balloon() -> Error {
    Error::new(
        ErrorCode::InternalError,
        ErrorDomain::Qemu,
        "No memory balloon device configured, can not set the collection period",
    )
}

fn note_period(domain: &mut Domain, period: u32) -> Result<()> {
    balloon(domain).ok_or_else(no_balloon)?;
    if let Some(balloon) = &mut domain.devices.memballoon {
        balloon.stats_period = (period != 0).then_some(period);
    }
    Ok(())
}

async fn set(guest: &Arc<Guest>, kib: u64, flags: u32) -> Result<()> {
    flags::only(
        flags,
        AFFECT_LIVE | AFFECT_CONFIG | MAXIMUM,
        "qemuDomainSetMemoryFlags",
    )?;
    if kib == 0 {
        let function = "virDomainSetMemoryFlags";
        return Err(Error::from_wire(
            ErrorCode::InvalidArg.number(),
            ErrorDomain::Domain.number(),
            format!("memory in {function} must not be zero"),
            Some(function.into()),
            Some("memory".into()),
            None,
        ));
    }
    guest
        .run("memory", move |body| Box::pin(resize(body, kib, flags)))
        .await
}

async fn resize(body: &mut Body, kib: u64, flags: u32) -> Result<()> {
    let snapshot = body.guest().current();
    let persistent = snapshot.definition.is_some();
    let affects = flags::affects(flags, snapshot.is_active(), persistent)?;
    let maximum = flags & MAXIMUM != 0;
    if affects.live {
        check_live(&snapshot.running()?.domain, kib, maximum)?;
    }
    if let (true, Some(definition)) = (affects.config, &snapshot.definition) {
        edit(&mut Domain::clone(&*definition.domain()?), kib, maximum)?;
    }
    let Affects { live, config } = affects;
    if live {
        let live = snapshot.running()?;
        let told = live.qemu.monitor.set_balloon(KiB(kib).bytes()).await;
        let before = live.domain.current_memory.0;
        body.audit(|guest| {
            vec![guest.amount(Amount::Memory, before, kib, Reason::Update, told.is_ok())]
        });
        told.map_err(|error| error.about(&snapshot.name))?;
    }
    if config {
        change(body, move |domain| edit(domain, kib, maximum)).await?;
    }
    Ok(())
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorCode::OperationInvalid, ErrorDomain::Qemu, what)
}

fn too_much() -> Error {
    Error::new(
        ErrorCode::InvalidArg,
        ErrorDomain::Qemu,
        "cannot set memory higher than max memory",
    )
}

fn check_live(domain: &Domain, kib: u64, maximum: bool) -> Result<()> {
    if maximum {
        return Err(invalid(
            "cannot resize the maximum memory on an active domain",
        ));
    }
    if kib > domain.memory.size.0 {
        return Err(too_much());
    }
    match balloon(domain) {
        Some(_) => Ok(()),
        None => Err(invalid(
            "Unable to change memory of active domain without the balloon device and guest OS \
             balloon driver",
        )),
    }
}

fn edit(domain: &mut Domain, kib: u64, maximum: bool) -> Result<()> {
    if !maximum {
        if kib > domain.memory.size.0 {
            return Err(too_much());
        }
        domain.current_memory = KiB(kib);
        return Ok(());
    }
    let cells = domain.cpu.as_ref().and_then(|cpu| cpu.numa.as_ref());
    if cells.is_some() {
        return Err(invalid(
            "initial memory size of a domain with NUMA nodes cannot be modified with this API",
        ));
    }
    if domain
        .max_memory
        .as_ref()
        .is_some_and(|max| max.size.0 < kib)
    {
        return Err(invalid(
            "cannot set initial memory size greater than the maximum memory size",
        ));
    }
    domain.memory.size = KiB(kib);
    domain.current_memory = domain.current_memory.min(KiB(kib));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Domain {
        let mut domain = Domain::default();
        domain.memory.size = KiB(1000);
        domain.current_memory = KiB(1000);
        domain
    }

    #[test]
    fn the_balloon_stays_within_the_size() {
        let mut domain = guest();
        edit(&mut domain, 400, false).unwrap();
        assert_eq!((domain.memory.size.0, domain.current_memory.0), (1000, 400));
        assert!(edit(&mut domain, 1001, false).is_err());
        edit(&mut domain, 300, true).unwrap();
        assert_eq!((domain.memory.size.0, domain.current_memory.0), (300, 300));
    }

    #[test]
    fn a_running_guest_needs_a_balloon() {
        let error = check_live(&guest(), 500, false).unwrap_err();
        assert!(error.message().contains("without the balloon device"));
        assert!(check_live(&guest(), 500, true).is_err());
    }
}
