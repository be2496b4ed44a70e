//! Another name for a guest that is off.

use std::sync::Arc;

use virt_driver::{Definition, Event, Guest as _};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainRename, DomainRenameRet};
use virt_rpc::server::{Call, Router};

use super::flags;
use super::session::Session;
use crate::definitions::off_thread;
use crate::guest::{Body, Guest};

/// Lifecycle events of a rename: undefined under the old name, defined under the new one.
const GONE: Event = Event::Lifecycle {
    event: 1,
    detail: 1,
};
const BACK: Event = Event::Lifecycle {
    event: 0,
    detail: 2,
};

pub(super) fn register(router: &mut Router<Session>) {
    router.task::<DomainRename, _, _>(rename);
}

async fn rename(call: Call<DomainRename, Session>) -> Result<DomainRenameRet> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    flags::only(call.args.flags, 0, "qemuDomainRename")?;
    let name = call.args.new_name.clone().unwrap_or_default();
    if name.is_empty() {
        return Err(Error::from_wire(
            ErrorCode::InvalidArg.number(),
            ErrorDomain::Domain.number(),
            "string new_name in virDomainRename must not be empty".into(),
            Some("virDomainRename".into()),
            Some("new_name".into()),
            None,
        ));
    }
    check_name(&name)?;
    let renamed = guest
        .guest()
        .run("rename", move |body| Box::pin(move_to(body, name)));
    renamed.await?;
    Ok(DomainRenameRet { retcode: 0 })
}

/// The same refusal as for a name in a definition.
fn check_name(name: &str) -> Result<()> {
    let refused = |what: String| Error::new(ErrorCode::XmlError, ErrorDomain::Qemu, what);
    if let Some(bad) = name.chars().find(|c| matches!(c, '/' | '\n' | '\0')) {
        let bad = match bad {
            '\n' => "newline".to_owned(),
            '\0' => "a zero byte".to_owned(),
            other => format!("'{other}'"),
        };
        return Err(refused(format!("name {name} cannot contain {bad}")));
    }
    match name {
        "." | ".." => Err(refused(format!("name {name} is not a valid name"))),
        _ => Ok(()),
    }
}

fn invalid(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::OperationInvalid, ErrorDomain::Qemu, what)
}

async fn move_to(body: &mut Body, name: String) -> Result<()> {
    let guest = Arc::clone(body.guest());
    let driver = Arc::clone(guest.driver());
    let snapshot = guest.current();
    if snapshot.is_active() {
        return Err(invalid("cannot rename active domain"));
    }
    let Some(definition) = &snapshot.definition else {
        return Err(invalid("cannot rename a transient domain"));
    };
    if *snapshot.name == *name {
        return Err(invalid("Can't rename domain to itself"));
    }
    if snapshot.managed_save {
        return Err(invalid(
            "domain with a managed saved state can't be renamed",
        ));
    }
    let reserved = driver
        .registry
        .reserve_name(&name)
        .map_err(|_| invalid(format!("domain with name '{name}' already exists")))?;
    let mut domain = virt_domain::Domain::clone(&*definition.domain()?);
    domain.name = name;
    let renamed = Arc::new(Definition::new(domain)?);

    let moved = (Arc::clone(&driver), snapshot, Arc::clone(&renamed));
    let new_name = Arc::clone(reserved.name());
    off_thread(move || {
        let (driver, old, renamed) = moved;
        let store = &driver.store;
        store.write(&new_name, renamed.text())?;
        let links = || -> Result<()> {
            if old.autostart {
                store.set_autostart(&new_name, true)?;
            }
            if old.autostart_once {
                store.set_autostart_once(&new_name, true)?;
            }
            store.remove(&old.name)
        };
        // Whoever fails leaves the guest under its old name alone.
        links().inspect_err(|_| {
            if let Err(error) = store.remove(&new_name) {
                tracing::error!("after a failed rename: {error}");
            }
        })
    })
    .await?;
    let before = guest.on_the_wire();
    publish(&guest, body, reserved, renamed);
    driver.events.emit_as(&*guest, before, GONE);
    driver.events.emit(&*guest, BACK);
    Ok(())
}

fn publish(
    guest: &Arc<Guest>,
    body: &mut Body,
    reserved: virt_driver::Reservation<Guest>,
    renamed: Arc<Definition>,
) {
    reserved.rename(Arc::clone(guest), |name| {
        body.change(|snapshot| {
            snapshot.name = name;
            snapshot.definition = Some(renamed);
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_file_is_refused() {
        assert_eq!(
            check_name("a/b").unwrap_err().message(),
            "XML error: name a/b cannot contain '/'"
        );
        assert!(check_name("a\nb").is_err() && check_name("..").is_err());
        assert!(check_name("a b.c").is_ok());
    }
}
