//! Talking to a guest's QEMU past the driver (`virsh qemu-monitor-command`).

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use virt_error::Result;
use virt_rpc::protocol::qemu::{DomainMonitorCommand, DomainMonitorCommandRet};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::guest::Taint;

/// `VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP`: a line for people rather than JSON.
const HMP: u32 = 1;

/// Numbers of commands that name none.
static NEXT: AtomicU64 = AtomicU64::new(1);

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainMonitorCommand, _, _>(command);
}

async fn command(call: Call<DomainMonitorCommand, Session>) -> Result<DomainMonitorCommandRet> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    flags::only(call.args.flags, HMP, "qemuDomainQemuMonitorCommand")?;
    let guest = guest.guest();
    let (name, monitor) = {
        let snapshot = guest.snapshot();
        let monitor = snapshot.running()?.qemu.monitor.clone();
        (snapshot.name.clone(), monitor)
    };
    guest.taint(Taint::CustomMonitor).await?;
    let result = match call.args.flags & HMP {
        0 => {
            let reply = monitor.pass_through(&call.args.cmd).await;
            reply.map(|reply| printed(reply).to_string())
        }
        _ => monitor.human(&call.args.cmd).await,
    };
    let result = result.map_err(|error| error.about(&name))?;
    Ok(DomainMonitorCommandRet { result })
}

/// The reply as the stock daemon gives it: with a number, which an error has in front.
fn printed(mut reply: Value) -> Value {
    let own = || format!("libvirt-{}", NEXT.fetch_add(1, Ordering::Relaxed)).into();
    let Value::Object(members) = &mut reply else {
        return reply;
    };
    let id: Value = members.remove("id").unwrap_or_else(own);
    match members.remove("error") {
        Some(error) => json!({ "id": id, "error": error }),
        None => {
            let result = members.remove("return").unwrap_or_default();
            json!({ "return": result, "id": id })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_look_as_from_the_stock_daemon() {
        assert_eq!(
            printed(json!({ "return": {}, "id": "mine" })).to_string(),
            r#"{"return":{},"id":"mine"}"#
        );
        let error = printed(json!({ "error": { "class": "CommandNotFound", "desc": "no" } }));
        let text = error.to_string();
        assert!(text.starts_with(r#"{"id":"libvirt-"#), "{text}");
        assert!(
            text.ends_with(r#""error":{"class":"CommandNotFound","desc":"no"}}"#),
            "{text}"
        );
    }
}
