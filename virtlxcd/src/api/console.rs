//! A container's consoles as streams.

use std::sync::Arc;

use virt_domain::devices::chardev::CharBackend;
use virt_driver::api::Session as _;
use virt_driver::consoles::{open_terminal, relay, watched};
use virt_driver::off_thread;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::DomainOpenConsole;
use virt_rpc::server::{Call, Router};

use super::session::Session;

/// `VIR_DOMAIN_CONSOLE_FORCE`: whoever has it is disconnected.
const FORCE: u32 = 1;
/// `VIR_DOMAIN_CONSOLE_SAFE`: only where nobody else can have it. Always so here.
const SAFE: u32 = 2;

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainOpenConsole, _, _>(console);
}

async fn console(call: Call<DomainOpenConsole, Session>) -> Result<()> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    Session::only(call.args.flags, FORCE | SAFE, "DomainOpenConsole")?;
    let live = Arc::clone(guest.snapshot().running()?);
    let alias = call.args.dev_name.as_deref();
    let consoles = live.domain.devices.consoles.iter();
    let found = match alias {
        Some(alias) => consoles.clone().find(|one| one.info.alias() == Some(alias)),
        None => consoles.clone().next(),
    };
    let path = found.and_then(|console| match &console.source.backend {
        CharBackend::Pty { path } => path.clone(),
        _ => None,
    });
    let path = path.ok_or_else(|| {
        let what = format!("cannot find console device '{}'", alias.unwrap_or("<null>"));
        Error::new(ErrorCode::InternalError, ErrorDomain::Lxc, what)
    })?;
    let force = call.args.flags & FORCE != 0;
    let claim = live.container.consoles.claim(&path, force).ok_or_else(|| {
        Error::new(
            ErrorCode::OperationFailed,
            ErrorDomain::Lxc,
            "Active console session exists for this domain",
        )
    })?;
    let peer = off_thread(move || {
        open_terminal(&path).map_err(|cause| {
            let what = format!("unable to open tty {path}");
            Error::system(ErrorDomain::None, what, &cause)
        })
    })
    .await?;
    let peer = watched(peer)?;
    call.serve_stream(|stream| relay(stream, peer, claim));
    Ok(())
}
