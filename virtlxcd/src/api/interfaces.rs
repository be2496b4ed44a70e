//! What goes through interfaces, and its limits.

use std::sync::Arc;

use virt_domain::Domain;
use virt_domain::devices::interface::{Interface, InterfaceType};
use virt_driver::api::Session as _;
use virt_driver::api::flags::{AFFECT_CONFIG, AFFECT_LIVE, affects, exclusive};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_net::{meant, parameters, stats};
use virt_rpc::protocol::remote::{
    DomainGetInterfaceParameters, DomainGetInterfaceParametersRet, DomainInterfaceStats,
    DomainInterfaceStatsRet, DomainSetInterfaceParameters, TypedParam,
};
use virt_rpc::server::{Call, Router};

use super::session::Session;
use crate::guest::Body;
use virt_driver::replace;

/// Strings in typed parameters are welcome; there are none.
const STRING_OKAY: u32 = 4;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainInterfaceStats>(counted);
    router.call::<DomainGetInterfaceParameters>(limits);
    router.task::<DomainSetInterfaceParameters, _, _>(set_limits);
}

fn find<'a>(domain: &'a Domain, device: &str) -> Result<&'a Interface> {
    meant::find(domain, device).ok_or_else(|| unknown(device))
}

fn unknown(device: &str) -> Error {
    Error::new(
        ErrorCode::InvalidArg,
        ErrorDomain::Lxc,
        format!("'{device}' is not a known interface"),
    )
}

fn counted(call: &Call<DomainInterfaceStats, Session>) -> Result<DomainInterfaceStatsRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let snapshot = guest.snapshot();
    let live = snapshot.running()?;
    let interface = find(&live.domain, &call.args.device)?;
    let init = live.container.init.as_ref();
    let seen = match (interface.resolved().kind(), init) {
        (InterfaceType::Direct, Some(init)) => stats::by_own_end(interface, init.pid()),
        _ => stats::by_host_end(interface),
    };
    Ok(seen?.into())
}

fn limits(
    call: &Call<DomainGetInterfaceParameters, Session>,
) -> Result<DomainGetInterfaceParametersRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let args = &call.args;
    Session::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG | STRING_OKAY,
        "DomainGetInterfaceParameters",
    )?;
    exclusive("virDomainGetInterfaceParameters", args.flags)?;
    let snapshot = guest.snapshot();
    let persistent = snapshot.definition.is_some();
    let affects = affects(args.flags & !STRING_OKAY, snapshot.is_active(), persistent)?;
    let domain = match (&snapshot.live, &snapshot.definition) {
        (_, Some(kept)) if affects.config => kept.domain()?,
        (Some(live), _) => Arc::clone(&live.domain),
        _ => return Err(unknown(&args.device)),
    };
    let told = parameters::told(find(&domain, &args.device)?.resolved().bandwidth.as_ref());
    let count = i32::try_from(told.len()).unwrap_or(i32::MAX);
    // Without room for any the number alone is asked for (WIRE.md section 11).
    let room = usize::try_from(args.nparams).unwrap_or(0);
    let params: Vec<TypedParam> = told.into_iter().take(room).collect();
    let nparams = match params.len() {
        0 => count,
        some => i32::try_from(some).unwrap_or(i32::MAX),
    };
    Ok(DomainGetInterfaceParametersRet { params, nparams })
}

async fn set_limits(call: Call<DomainSetInterfaceParameters, Session>) -> Result<()> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    let args = &call.args;
    Session::only(
        args.flags,
        AFFECT_LIVE | AFFECT_CONFIG,
        "DomainSetInterfaceParameters",
    )?;
    let wanted = (args.device.clone(), args.params.clone(), args.flags);
    guest
        .guest()
        .run("set interface parameters", move |body| {
            Box::pin(async move {
                let (device, params, flags) = wanted;
                set(body, &device, &params, flags).await
            })
        })
        .await
}

async fn set(body: &mut Body, device: &str, params: &[TypedParam], flags: u32) -> Result<()> {
    let snapshot = body.guest().current();
    let affects = affects(flags, snapshot.is_active(), snapshot.definition.is_some())?;
    let mut definition = None;
    if let (true, Some(kept)) = (affects.config, &snapshot.definition) {
        let mut domain = Domain::clone(&*kept.domain()?);
        let known = find(&domain, device)?.clone();
        let changed = parameters::changed(known.bandwidth.as_ref(), params)?;
        let mut all = domain.devices.interfaces.iter_mut();
        if let Some(own) = all.find(|one| **one == known) {
            own.bandwidth = changed;
        }
        definition = Some(domain);
    }
    if affects.live {
        let live = snapshot.running()?;
        let known = find(&live.domain, device)?.resolved();
        let changed = parameters::changed(known.bandwidth.as_ref(), params)?;
        body.limit_interface(&known, changed).await?;
    }
    match definition {
        Some(domain) => replace(body, Box::new(domain)).await,
        None => Ok(()),
    }
}
