//! Registering for events, in both styles.

use uuid::Uuid;
use virt_error::Result;
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::{
    ConnectDomainEventCallbackDeregisterAny, ConnectDomainEventCallbackRegisterAny,
    ConnectDomainEventCallbackRegisterAnyRet, ConnectDomainEventDeregister,
    ConnectDomainEventDeregisterAny, ConnectDomainEventDeregisterRet, ConnectDomainEventRegister,
    ConnectDomainEventRegisterAny, ConnectDomainEventRegisterRet, NonnullDomain,
};
use virt_rpc::server::{Call, Router};

use super::Session;
use crate::Subscriber;

/// The kind that the oldest calls mean.
const LIFECYCLE: i32 = 0;

/// What the oldest calls answer, always.
const CB_REGISTERED: i32 = 0;

pub(super) fn register<S: Session>(router: &mut Router<S>) {
    router.call::<ConnectDomainEventRegister>(|call| {
        permitted(call)?.register_legacy(LIFECYCLE)?;
        Ok(ConnectDomainEventRegisterRet {
            cb_registered: CB_REGISTERED,
        })
    });
    router.call::<ConnectDomainEventDeregister>(|call| {
        permitted(call)?.deregister_legacy(LIFECYCLE)?;
        Ok(ConnectDomainEventDeregisterRet {
            cb_registered: CB_REGISTERED,
        })
    });
    router.call::<ConnectDomainEventRegisterAny>(|call| {
        permitted(call)?.register_legacy(call.args.eventID)
    });
    router.call::<ConnectDomainEventDeregisterAny>(|call| {
        permitted(call)?.deregister_legacy(call.args.eventID)
    });
    router.call::<ConnectDomainEventCallbackRegisterAny>(|call| {
        let subscriber = permitted(call)?;
        let callback = subscriber.register(call.args.eventID, only(call.args.dom.as_ref()))?;
        Ok(ConnectDomainEventCallbackRegisterAnyRet {
            callbackID: callback,
        })
    });
    router.call::<ConnectDomainEventCallbackDeregisterAny>(|call| {
        permitted(call)?.deregister(call.args.callbackID)
    });
}

/// The session, when the caller may make the call.
fn permitted<P: Procedure, S: Session>(call: &Call<P, S>) -> Result<&Subscriber> {
    call.session().permit(call)?;
    Ok(call.session().subscriber())
}

/// The guest a registration is for. It need not exist: so does the stock daemon.
pub fn only(dom: Option<&NonnullDomain>) -> Option<Uuid> {
    dom.map(|dom| Uuid::from_bytes(dom.uuid))
}
