//! Registering for events of QEMU's monitor.

use virt_driver::api::events::only;
use virt_driver::events::MonitorFilter;
use virt_rpc::protocol::qemu::{
    ConnectDomainMonitorEventDeregister, ConnectDomainMonitorEventRegister,
    ConnectDomainMonitorEventRegisterRet,
};
use virt_rpc::server::Router;

use super::session::Session;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<ConnectDomainMonitorEventRegister>(|call| {
        call.session().permit(call)?;
        let subscriber = &call.session().subscriber;
        let filter = MonitorFilter::new(call.args.event.as_deref(), call.args.flags)?;
        let callback = subscriber.register_monitor(filter, only(call.args.dom.as_ref()))?;
        Ok(ConnectDomainMonitorEventRegisterRet {
            callbackID: callback,
        })
    });
    router.call::<ConnectDomainMonitorEventDeregister>(|call| {
        call.session().permit(call)?;
        call.session()
            .subscriber
            .deregister_monitor(call.args.callbackID)
    });
}
