//! Finding a guest by its UUID, name or number.

use virt_driver::Guest as _;
use virt_error::Result;
use virt_rpc::protocol::remote::{
    DomainLookupById, DomainLookupByIdRet, DomainLookupByName, DomainLookupByNameRet,
    DomainLookupByUuid, DomainLookupByUuidRet,
};
use virt_rpc::server::{Call, Router};

use super::session::Session;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainLookupById>(by_id);
    router.call::<DomainLookupByName>(by_name);
    router.call::<DomainLookupByUuid>(by_uuid);
}

fn by_id(call: &Call<DomainLookupById, Session>) -> Result<DomainLookupByIdRet> {
    let guest = call.session().guests().by_id(call, call.args.id)?;
    let dom = guest.on_the_wire();
    Ok(DomainLookupByIdRet { dom })
}

fn by_name(call: &Call<DomainLookupByName, Session>) -> Result<DomainLookupByNameRet> {
    let guest = call.session().guests().by_name(call, &call.args.name)?;
    let dom = guest.on_the_wire();
    Ok(DomainLookupByNameRet { dom })
}

fn by_uuid(call: &Call<DomainLookupByUuid, Session>) -> Result<DomainLookupByUuidRet> {
    let guest = call.session().guests().by_uuid(call, call.args.uuid)?;
    let dom = guest.on_the_wire();
    Ok(DomainLookupByUuidRet { dom })
}
