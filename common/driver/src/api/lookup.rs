//! Finding a guest by its UUID, name or number.

use virt_error::Result;
use virt_rpc::protocol::remote::{
    DomainLookupById, DomainLookupByIdRet, DomainLookupByName, DomainLookupByNameRet,
    DomainLookupByUuid, DomainLookupByUuidRet,
};
use virt_rpc::server::{Call, Router};

use super::Session;
use crate::Guest as _;

pub(super) fn register<S: Session>(router: &mut Router<S>) {
    router.call::<DomainLookupById>(by_id);
    router.call::<DomainLookupByName>(by_name);
    router.call::<DomainLookupByUuid>(by_uuid);
}

fn by_id<S: Session>(call: &Call<DomainLookupById, S>) -> Result<DomainLookupByIdRet> {
    let guest = call.session().guests().by_id(call, call.args.id)?;
    let dom = guest.on_the_wire();
    Ok(DomainLookupByIdRet { dom })
}

fn by_name<S: Session>(call: &Call<DomainLookupByName, S>) -> Result<DomainLookupByNameRet> {
    let guest = call.session().guests().by_name(call, &call.args.name)?;
    let dom = guest.on_the_wire();
    Ok(DomainLookupByNameRet { dom })
}

fn by_uuid<S: Session>(call: &Call<DomainLookupByUuid, S>) -> Result<DomainLookupByUuidRet> {
    let guest = call.session().guests().by_uuid(call, call.args.uuid)?;
    let dom = guest.on_the_wire();
    Ok(DomainLookupByUuidRet { dom })
}
