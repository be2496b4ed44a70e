//! Registering for events, in both styles, and for those of QEMU's monitor.

use uuid::Uuid;
use virt_driver::events::MonitorFilter;
use virt_error::Result;
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::qemu::{
    ConnectDomainMonitorEventDeregister, ConnectDomainMonitorEventRegister,
    ConnectDomainMonitorEventRegisterRet,
};
use virt_rpc::protocol::remote::{
    ConnectDomainEventCallbackDeregisterAny, ConnectDomainEventCallbackRegisterAny,
    ConnectDomainEventCallbackRegisterAnyRet, ConnectDomainEventDeregister,
    ConnectDomainEventDeregisterAny, ConnectDomainEventDeregisterRet, ConnectDomainEventRegister,
    ConnectDomainEventRegisterAny, ConnectDomainEventRegisterRet, NonnullDomain,
};
use virt_rpc::server::{Call, Router};

use super::session::Session;

/// The kind that the oldest calls mean.
const LIFECYCLE: i32 = 0;

/// What the oldest calls answer, always.
const CB_REGISTERED: i32 = 0;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<ConnectDomainEventRegister>(|call| {
        permitted(call)?.subscriber.register_legacy(LIFECYCLE)?;
        Ok(ConnectDomainEventRegisterRet {
            cb_registered: CB_REGISTERED,
        })
    });
    router.call::<ConnectDomainEventDeregister>(|call| {
        permitted(call)?.subscriber.deregister_legacy(LIFECYCLE)?;
        Ok(ConnectDomainEventDeregisterRet {
            cb_registered: CB_REGISTERED,
        })
    });
    router.call::<ConnectDomainEventRegisterAny>(|call| {
        permitted(call)?
            .subscriber
            .register_legacy(call.args.eventID)
    });
    router.call::<ConnectDomainEventDeregisterAny>(|call| {
        permitted(call)?
            .subscriber
            .deregister_legacy(call.args.eventID)
    });
    router.call::<ConnectDomainEventCallbackRegisterAny>(|call| {
        let subscriber = &permitted(call)?.subscriber;
        let callback = subscriber.register(call.args.eventID, only(call.args.dom.as_ref()))?;
        Ok(ConnectDomainEventCallbackRegisterAnyRet {
            callbackID: callback,
        })
    });
    router.call::<ConnectDomainEventCallbackDeregisterAny>(|call| {
        permitted(call)?.subscriber.deregister(call.args.callbackID)
    });
    router.call::<ConnectDomainMonitorEventRegister>(|call| {
        let subscriber = &permitted(call)?.subscriber;
        let filter = MonitorFilter::new(call.args.event.as_deref(), call.args.flags)?;
        let callback = subscriber.register_monitor(filter, only(call.args.dom.as_ref()))?;
        Ok(ConnectDomainMonitorEventRegisterRet {
            callbackID: callback,
        })
    });
    router.call::<ConnectDomainMonitorEventDeregister>(|call| {
        permitted(call)?
            .subscriber
            .deregister_monitor(call.args.callbackID)
    });
}

/// The session, when the caller may make the call.
fn permitted<P: Procedure>(call: &Call<P, Session>) -> Result<&Session> {
    call.session().permit(call)?;
    Ok(call.session())
}

/// The guest a registration is for. It need not exist: so does the stock daemon.
fn only(dom: Option<&NonnullDomain>) -> Option<Uuid> {
    dom.map(|dom| Uuid::from_bytes(dom.uuid))
}
