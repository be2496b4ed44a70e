//! Whether a guest starts with the host.

use std::sync::Arc;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{
    DomainGetAutostart, DomainGetAutostartOnce, DomainGetAutostartOnceRet, DomainGetAutostartRet,
    DomainSetAutostart, DomainSetAutostartOnce,
};
use virt_rpc::server::Router;

use super::session::Session;
use crate::definitions::off_thread;
use crate::guest::{Body, Guest};

pub(super) fn register(router: &mut Router<Session>) {
    router.call::<DomainGetAutostart>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let autostart = guest.snapshot().autostart.into();
        Ok(DomainGetAutostartRet { autostart })
    });
    router.call::<DomainGetAutostartOnce>(|call| {
        let guest = call.session().guest(call, &call.args.dom)?;
        let autostart = guest.snapshot().autostart_once.into();
        Ok(DomainGetAutostartOnceRet { autostart })
    });
    router.task::<DomainSetAutostart, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set(guest.guest(), Boots::All, call.args.autostart != 0).await
    });
    router.task::<DomainSetAutostartOnce, _, _>(|call| async move {
        let guest = call.session().guest(&call, &call.args.dom)?;
        set(guest.guest(), Boots::Next, call.args.autostart != 0).await
    });
}

/// With which boots of the host.
#[derive(Debug, Clone, Copy)]
enum Boots {
    All,
    Next,
}

async fn set(guest: &Arc<Guest>, boots: Boots, on: bool) -> Result<()> {
    guest
        .run("autostart", move |body| Box::pin(link(body, boots, on)))
        .await
}

/// Makes or removes the link, then says so.
async fn link(body: &mut Body, boots: Boots, on: bool) -> Result<()> {
    let snapshot = body.guest().current();
    if snapshot.definition.is_none() {
        return Err(Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Qemu,
            "cannot set autostart for transient domain",
        ));
    }
    let (driver, name) = (Arc::clone(body.guest().driver()), snapshot.name.clone());
    off_thread(move || match boots {
        Boots::All => driver.store.set_autostart(&name, on),
        Boots::Next => driver.store.set_autostart_once(&name, on),
    })
    .await?;
    body.change(|snapshot| match boots {
        Boots::All => snapshot.autostart = on,
        Boots::Next => snapshot.autostart_once = on,
    });
    Ok(())
}
