//! Lists of guests, old and new.

use std::sync::Arc;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::limit::DOMAIN_LIST_MAX;
use virt_rpc::protocol::remote::{
    ConnectListAllDomains, ConnectListAllDomainsRet, ConnectListDefinedDomains,
    ConnectListDefinedDomainsRet, ConnectListDomains, ConnectListDomainsRet,
    ConnectNumOfDefinedDomains, ConnectNumOfDefinedDomainsRet, ConnectNumOfDomains,
    ConnectNumOfDomainsRet,
};
use virt_rpc::server::{Call, Router};

use super::Session;
use crate::{Filter, Guest as _, too_long};

pub(super) fn register<S: Session>(router: &mut Router<S>) {
    router.call::<ConnectListAllDomains>(all);
    router.call::<ConnectListDomains>(ids);
    router.call::<ConnectNumOfDomains>(|call| {
        let num = count(call.session().guests().list(call, true)?.len());
        Ok(ConnectNumOfDomainsRet { num })
    });
    router.call::<ConnectListDefinedDomains>(defined);
    router.call::<ConnectNumOfDefinedDomains>(|call| {
        let num = count(inactive(call)?.count());
        Ok(ConnectNumOfDefinedDomainsRet { num })
    });
}

fn count(length: usize) -> i32 {
    // No host has two thousand million guests.
    i32::try_from(length).unwrap_or(i32::MAX)
}

fn all<S: Session>(call: &Call<ConnectListAllDomains, S>) -> Result<ConnectListAllDomainsRet> {
    S::only(call.args.flags, Filter::ALL, "ConnectListAllDomains")?;
    let filter = Filter::new(call.args.flags);
    let guests = call.session().guests();
    let mut listed = guests.list(call, filter.is_active_only())?;
    if !filter.is_open() {
        listed.retain(|guest| filter.fits(&guest.facts()));
    }
    if listed.len() > DOMAIN_LIST_MAX {
        return Err(too_long(ErrorDomain::Rpc, listed.len(), DOMAIN_LIST_MAX));
    }
    let ret = u32::try_from(listed.len()).unwrap_or(u32::MAX);
    let domains = match call.args.need_results {
        0 => Vec::new(),
        _ => listed.iter().map(|guest| guest.on_the_wire()).collect(),
    };
    Ok(ConnectListAllDomainsRet { domains, ret })
}

fn ids<S: Session>(call: &Call<ConnectListDomains, S>) -> Result<ConnectListDomainsRet> {
    let most = most(call.args.maxids, "maxids")?;
    let active = call.session().guests().list(call, true)?;
    let ids = active.iter().filter_map(|guest| guest.id());
    let ids = ids.take(most).collect();
    Ok(ConnectListDomainsRet { ids })
}

fn defined<S: Session>(
    call: &Call<ConnectListDefinedDomains, S>,
) -> Result<ConnectListDefinedDomainsRet> {
    let most = most(call.args.maxnames, "maxnames")?;
    let names = inactive(call)?.map(|guest| guest.name().as_ref().to_owned());
    let names = names.take(most).collect();
    Ok(ConnectListDefinedDomainsRet { names })
}

fn inactive<P: Procedure, S: Session>(
    call: &Call<P, S>,
) -> Result<impl Iterator<Item = Arc<S::Guest>> + use<P, S>> {
    let all = call.session().guests().list(call, false)?;
    Ok(all.into_iter().filter(|guest| !guest.facts().is_active()))
}

/// How many names or numbers a client wants at most (WIRE.md section 11).
fn most(wanted: i32, argument: &str) -> Result<usize> {
    let refused = |what: &str| {
        Error::new(
            ErrorCode::Rpc,
            ErrorDomain::Rpc,
            format!("{argument} {what}"),
        )
    };
    let most = usize::try_from(wanted).map_err(|_| refused("must be non-negative"))?;
    match most <= DOMAIN_LIST_MAX {
        true => Ok(most),
        false => Err(refused("> REMOTE_DOMAIN_LIST_MAX")),
    }
}
