//! Starting and destroying containers.

use virt_driver::Guest as _;
use virt_driver::api::Session as _;
use virt_rpc::protocol::remote::{
    DomainCreate, DomainCreateWithFlags, DomainCreateWithFlagsRet, DomainCreateXml,
    DomainCreateXmlRet, DomainDestroy, DomainDestroyFlags, DomainResume, DomainSuspend,
};
use virt_rpc::server::Router;

use super::session::Session;
use crate::{define, guest};

/// `VIR_DOMAIN_START_VALIDATE`
const VALIDATE: u32 = 1 << 4;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainCreate, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        guest.guest().start().await
    });
    router.task::<DomainCreateWithFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, 0, "DomainCreateWithFlags")?;
        guest.guest().start().await?;
        let dom = guest.on_the_wire();
        Ok(DomainCreateWithFlagsRet { dom })
    });
    router.task::<DomainCreateXml, _, _>(|call| async move {
        Session::only(call.args.flags, VALIDATE, "DomainCreateXML")?;
        let session = call.session();
        let permitted = session.guests().make(&call, &call.args.xml_desc)?;
        let domain = define::read(&call.args.xml_desc)?;
        let guest = guest::create(session.driver(&permitted), domain).await?;
        let dom = guest.on_the_wire();
        Ok(DomainCreateXmlRet { dom })
    });
    router.task::<DomainSuspend, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        guest.guest().suspend().await
    });
    router.task::<DomainResume, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        guest.guest().resume().await
    });
    router.task::<DomainDestroy, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        guest.guest().destroy().await
    });
    router.task::<DomainDestroyFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, 0, "DomainDestroyFlags")?;
        guest.guest().destroy().await
    });
}
