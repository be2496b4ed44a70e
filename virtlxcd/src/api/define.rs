//! Defining and undefining, and starting with the host.

use virt_driver::Guest as _;
use virt_driver::api::Session as _;
use virt_error::Result;
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::{
    DomainDefineXml, DomainDefineXmlFlags, DomainDefineXmlFlagsRet, DomainDefineXmlRet,
    DomainGetAutostart, DomainGetAutostartRet, DomainSetAutostart, DomainUndefine,
    DomainUndefineFlags, NonnullDomain,
};
use virt_rpc::server::{Call, Router};

use super::session::Session;
use crate::{define, definitions};

/// Check the document against the schema too: the model knows no more than it does.
const DEFINE_VALIDATE: u32 = 1;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainDefineXml, _, _>(|call| async move {
        let dom = defined(&call, &call.args.xml, 0).await?;
        Ok(DomainDefineXmlRet { dom })
    });
    router.task::<DomainDefineXmlFlags, _, _>(|call| async move {
        let dom = defined(&call, &call.args.xml, call.args.flags).await?;
        Ok(DomainDefineXmlFlagsRet { dom })
    });
    router.task::<DomainUndefine, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        definitions::undefine(guest.guest()).await
    });
    router.task::<DomainUndefineFlags, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        Session::only(call.args.flags, 0, "DomainUndefineFlags")?;
        definitions::undefine(guest.guest()).await
    });
    router.call::<DomainGetAutostart>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let autostart = guest.snapshot().autostart.into();
        Ok(DomainGetAutostartRet { autostart })
    });
    router.task::<DomainSetAutostart, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        definitions::set_autostart(guest.guest(), call.args.autostart != 0).await
    });
}

async fn defined<P: Procedure>(
    call: &Call<P, Session>,
    xml: &str,
    flags: u32,
) -> Result<NonnullDomain> {
    Session::only(flags, DEFINE_VALIDATE, "DomainDefineXMLFlags")?;
    let session = call.session();
    let permitted = session.guests().make(call, xml)?;
    let domain = define::read(xml)?;
    let guest = definitions::define(session.driver(&permitted), domain).await?;
    Ok(guest.on_the_wire())
}
