//! Calls that only a guest's agent could answer. It is not spoken to yet: each is refused as for
//! a guest that has none, which is what a caller then does without.

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainAgentSetResponseTimeout, DomainAuthorizedSshKeysGet, DomainAuthorizedSshKeysSet,
    DomainFsfreeze, DomainFsthaw, DomainFstrim, DomainGetFsinfo, DomainGetGuestInfo,
    DomainGetGuestVcpus, DomainGetHostname, DomainGetTime, DomainSetGuestVcpus, DomainSetTime,
    DomainSetUserPassword, NonnullDomain,
};
use virt_rpc::protocol::{Procedure, qemu};
use virt_rpc::server::{Call, Router};

use super::session::Session;

macro_rules! refused {
    ($router:ident: $($call:ty),* $(,)?) => {
        $($router.call::<$call>(|call| refuse(call, &call.args.dom));)*
    };
}

pub(super) fn register(router: &mut Router<Session>) {
    refused!(router:
        DomainGetFsinfo,
        DomainGetGuestInfo,
        DomainGetGuestVcpus,
        DomainSetGuestVcpus,
        DomainGetHostname,
        DomainGetTime,
        DomainSetTime,
        DomainFsfreeze,
        DomainFsthaw,
        DomainFstrim,
        DomainSetUserPassword,
        DomainAuthorizedSshKeysGet,
        DomainAuthorizedSshKeysSet,
        DomainAgentSetResponseTimeout,
        qemu::DomainAgentCommand,
    );
}

fn refuse<P: Procedure>(call: &Call<P, Session>, dom: &NonnullDomain) -> Result<P::Ret> {
    let guest = call.session().guest(call, dom)?;
    guest.snapshot().running()?;
    Err(no_agent())
}

/// The refusal of what needs the guest's agent.
pub fn no_agent() -> Error {
    Error::new(
        ErrorCode::ArgumentUnsupported,
        ErrorDomain::Qemu,
        "QEMU guest agent is not configured",
    )
}
