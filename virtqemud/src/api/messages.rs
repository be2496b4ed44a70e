//! What the daemon has to say about a guest: what is done to it that nobody supports, what of it is
//! on its way out (`virsh dominfo`: "Messages").

use virt_error::Result;
use virt_rpc::protocol::remote::{DomainGetMessages, DomainGetMessagesRet};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;

/// `VIR_DOMAIN_MESSAGE_DEPRECATION`
const DEPRECATION: u32 = 1;
/// `VIR_DOMAIN_MESSAGE_TAINTING`
const TAINTING: u32 = 2;

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetMessages>(messages);
}

/// Without a bit: all.
fn messages(call: &Call<DomainGetMessages, Session>) -> Result<DomainGetMessagesRet> {
    let guest = call.session().guest(call, &call.args.dom)?;
    let flags = call.args.flags;
    flags::only(flags, DEPRECATION | TAINTING, "qemuDomainGetMessages")?;
    let wanted = |bit: u32| flags == 0 || flags & bit != 0;
    let mut msgs = Vec::new();
    if let Some(live) = &guest.snapshot().live {
        if wanted(TAINTING) {
            let taints = live.taints.iter();
            msgs.extend(taints.map(|taint| format!("tainted: {}", taint.sentence())));
        }
        if wanted(DEPRECATION) {
            let words = live.deprecations.iter();
            msgs.extend(words.map(|what| format!("deprecated configuration: {what}")));
        }
    }
    Ok(DomainGetMessagesRet { msgs })
}
