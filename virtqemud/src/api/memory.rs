//! How often a guest tells its balloon's statistics: `virsh dommemstat --period`.

use virt_domain::Domain;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::DomainSetMemoryStatsPeriod;
use virt_rpc::server::Router;

use super::flags::{self, AFFECT_CONFIG, AFFECT_LIVE};
use super::session::Session;
use crate::definitions::{change, change_live};
use crate::guest::{Body, balloon};

pub(super) fn register(router: &mut Router<Session>) {
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
