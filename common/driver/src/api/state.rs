//! What any guest says of itself in a word.

use virt_error::Result;
use virt_rpc::protocol::remote::{
    DomainGetState, DomainGetStateRet, DomainHasManagedSaveImage, DomainHasManagedSaveImageRet,
    DomainIsActive, DomainIsActiveRet, DomainIsPersistent, DomainIsPersistentRet, DomainIsUpdated,
    DomainIsUpdatedRet,
};
use virt_rpc::server::{Call, Router};

use super::Session;
use crate::Guest as _;

/// The handlers.
pub fn register<S: Session>(router: &mut Router<S>) {
    router.call::<DomainGetState>(state);
    router.call::<DomainIsActive>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let active = guest.facts().is_active().into();
        Ok(DomainIsActiveRet { active })
    });
    router.call::<DomainIsPersistent>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let persistent = guest.facts().persistent.into();
        Ok(DomainIsPersistentRet { persistent })
    });
    router.call::<DomainHasManagedSaveImage>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        S::only(call.args.flags, 0, "DomainHasManagedSaveImage")?;
        let result = guest.facts().managed_save.into();
        Ok(DomainHasManagedSaveImageRet { result })
    });
    router.call::<DomainIsUpdated>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let updated = guest.facts().updated.into();
        Ok(DomainIsUpdatedRet { updated })
    });
}

fn state<S: Session>(call: &Call<DomainGetState, S>) -> Result<DomainGetStateRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    S::only(call.args.flags, 0, "DomainGetState")?;
    let state = guest.facts().state;
    Ok(DomainGetStateRet {
        state: state.number(),
        reason: state.reason(),
    })
}
