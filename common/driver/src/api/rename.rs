//! Another name for a guest that is off.

use std::sync::Arc;

use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::remote::{DomainRename, DomainRenameRet, NonnullDomain};
use virt_rpc::server::{Call, Router};

use super::Session;
use crate::{Definition, Describe, Edit, Edited, Event, Guest, Registry, Store, actor, off_thread};

/// An actor whose guest can get another name.
pub trait Rename: Edit {
    /// All guests of the driver.
    fn registry(&self) -> &Arc<Registry<Self::Guest>>;

    /// Their definitions on disk.
    fn store(&self) -> &Store;

    /// Readers see that name and definition from now on.
    fn publish_name(&mut self, name: Arc<str>, definition: Arc<Definition>);

    /// Tells clients of an event of this guest under another name.
    fn emit_as(&self, dom: NonnullDomain, event: Event);
}

/// Lifecycle events of a rename: undefined under the old name, defined under the new one.
const GONE: Event = Event::Lifecycle {
    event: 1,
    detail: 1,
};
const BACK: Event = Event::Lifecycle {
    event: 0,
    detail: 2,
};

/// The handler.
pub fn register<S: Session<Guest: Edited<Editor: Rename>>>(router: &mut Router<S>) {
    router.task::<DomainRename, _, _>(rename);
}

async fn rename<S: Session<Guest: Edited<Editor: Rename>>>(
    call: Call<DomainRename, S>,
) -> Result<DomainRenameRet> {
    let guest = call.session().guest(&call, &call.args.dom)?;
    S::only(call.args.flags, 0, "DomainRename")?;
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
    check_name(S::DOMAIN, &name)?;
    type Editor<S> = <<S as Session>::Guest as Edited>::Editor;
    let renamed = actor::submit::<Editor<S>, _>(guest.guest(), "rename", move |body| {
        Box::pin(move_to(S::DOMAIN, body, name))
    });
    renamed.await?;
    Ok(DomainRenameRet { retcode: 0 })
}

/// The same refusal as for a name in a definition.
fn check_name(driver: ErrorDomain, name: &str) -> Result<()> {
    let refused = |what: String| Error::new(ErrorCode::XmlError, driver, what);
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

async fn move_to<B: Rename>(driver: ErrorDomain, body: &mut B, name: String) -> Result<()> {
    let invalid = |what: String| Error::new(ErrorCode::OperationInvalid, driver, what);
    let guest = Arc::clone(body.entry());
    let described = guest.described();
    if described.live.is_some() {
        return Err(invalid("cannot rename active domain".into()));
    }
    let Some(definition) = &described.definition else {
        return Err(invalid("cannot rename a transient domain".into()));
    };
    let old = guest.name();
    if *old == *name {
        return Err(invalid("Can't rename domain to itself".into()));
    }
    if guest.facts().managed_save {
        return Err(invalid(
            "domain with a managed saved state can't be renamed".into(),
        ));
    }
    let reserved = body
        .registry()
        .reserve_name(&name)
        .map_err(|_| invalid(format!("domain with name '{name}' already exists")))?;
    let mut domain = virt_domain::Domain::clone(&*definition.domain()?);
    domain.name = name;
    let renamed = Arc::new(Definition::new(domain)?);
    let (store, text) = (body.store().clone(), Arc::clone(&renamed));
    let new = Arc::clone(reserved.name());
    off_thread(move || store.rename(&old, &new, text.text())).await?;
    let before = guest.on_the_wire();
    reserved.rename(Arc::clone(&guest), |name| body.publish_name(name, renamed));
    body.emit_as(before, GONE);
    body.emit(BACK);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_file_is_refused() {
        assert_eq!(
            check_name(ErrorDomain::Qemu, "a/b").unwrap_err().message(),
            "XML error: name a/b cannot contain '/'"
        );
        assert!(
            check_name(ErrorDomain::Qemu, "a\nb").is_err()
                && check_name(ErrorDomain::Qemu, "..").is_err()
        );
        assert!(check_name(ErrorDomain::Qemu, "a b.c").is_ok());
    }
}
