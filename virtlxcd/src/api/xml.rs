//! A container as a document.

use virt_domain::View;
use virt_driver::api::Session as _;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainGetXmlDesc, DomainGetXmlDescRet};
use virt_rpc::server::{Call, Router};

use super::session::Session;

/// `VIR_DOMAIN_XML_SECURE`
const SECURE: u32 = 1;
/// `VIR_DOMAIN_XML_INACTIVE`
const INACTIVE: u32 = 1 << 1;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetXmlDesc>(describe);
}

/// The running container, or with INACTIVE what its next start will use.
fn describe(call: &Call<DomainGetXmlDesc, Session>) -> Result<DomainGetXmlDescRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let flags = call.args.flags;
    Session::only(flags, SECURE | INACTIVE, "DomainGetXMLDesc")?;
    let (secure, inactive) = (flags & SECURE != 0, flags & INACTIVE != 0);
    let snapshot = guest.snapshot();
    let xml = match (&snapshot.live, &snapshot.definition) {
        (Some(live), definition) if !inactive || definition.is_none() => live.domain.to_xml(View {
            inactive,
            secure,
            migratable: false,
        }),
        (_, Some(definition)) => definition.to_xml(secure, false)?,
        (_, None) => {
            return Err(Error::new(
                ErrorCode::OperationInvalid,
                ErrorDomain::Lxc,
                "the container stopped and is gone",
            ));
        }
    };
    Ok(DomainGetXmlDescRet { xml })
}
