//! Keys pressed for the guest.
//!
//! Facts: virKeycodeSet in libvirt-domain.h; `send-key` of QEMU's schema takes the codes of the
//! extended XT set ("qnum").

use serde_json::json;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainSendKey, limit};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::keycode::{Codeset, to_qnum};

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainSendKey, _, _>(|call| async move { send(call).await });
}

async fn send(call: Call<DomainSendKey, Session>) -> Result<()> {
    let args = &call.args;
    let guest = call.session().guest(&call, &args.dom)?;
    flags::only(args.flags, 0, "qemuDomainSendKey")?;
    let invalid = |what: String| Error::new(ErrorCode::InvalidArg, ErrorDomain::Qemu, what);
    let codeset = Codeset::from_number(args.codeset)
        .ok_or_else(|| invalid(format!("unknown codeset {}", args.codeset)))?;
    if args.keycodes.len() > limit::DOMAIN_SEND_KEY_MAX {
        return Err(invalid("too many keycodes".to_owned()));
    }
    let mut keys = Vec::with_capacity(args.keycodes.len());
    for code in &args.keycodes {
        let number = to_qnum(codeset, *code).ok_or_else(|| {
            Error::new(
                ErrorCode::InternalError,
                ErrorDomain::Qemu,
                format!(
                    "cannot translate keycode {code} of {} codeset to qnum keycode",
                    codeset.word()
                ),
            )
        })?;
        keys.push(json!({ "type": "number", "data": number }));
    }
    let snapshot = guest.guest().current();
    let live = snapshot.running()?;
    let mut arguments = json!({ "keys": keys });
    if args.holdtime > 0 {
        arguments["hold-time"] = args.holdtime.into();
    }
    let sent = live.qemu.monitor.send("send-key", Some(arguments)).await;
    sent.map_err(|error| error.about(&snapshot.name))?;
    Ok(())
}
