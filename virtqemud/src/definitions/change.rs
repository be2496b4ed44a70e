//! Changing what is kept about a guest, within its actor.

use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::Definition;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use super::write;
use crate::guest::{Body, Live};

/// Edits the persistent definition: written first, published after that.
///
/// # Errors
/// OPERATION_INVALID for a transient guest, the edit's own, SYSTEM_ERROR when it can't be
/// written. On any the definition stays as it was.
pub async fn change(
    body: &mut Body,
    edit: impl FnOnce(&mut Domain) -> Result<()> + Send,
) -> Result<()> {
    let definition = body.guest().current().definition.clone();
    let Some(definition) = definition else {
        return Err(Error::new(
            ErrorCode::OperationInvalid,
            ErrorDomain::Domain,
            "transient domains do not have any persistent config",
        ));
    };
    let mut domain = Box::new(Domain::clone(&*definition.domain()?));
    edit(&mut domain)?;
    replace(body, domain).await
}

/// Makes `domain` the persistent definition: written first, published after that.
///
/// # Errors
/// SYSTEM_ERROR when it can't be written.
pub async fn replace(body: &mut Body, domain: Box<Domain>) -> Result<()> {
    let definition = Arc::new(Definition::new(*domain)?);
    let guest = Arc::clone(body.guest());
    let name = Arc::clone(&guest.snapshot().name);
    write(guest.driver(), &name, &definition).await?;
    body.change(|snapshot| snapshot.definition = Some(definition));
    Ok(())
}

/// Edits the running guest's own description, which lasts as long as it runs.
///
/// # Errors
/// OPERATION_INVALID when it does not run, the edit's own.
pub fn change_live(body: &mut Body, edit: impl FnOnce(&mut Domain) -> Result<()>) -> Result<()> {
    let snapshot = body.guest().current();
    let live = snapshot.running()?;
    let mut domain = Domain::clone(&live.domain);
    edit(&mut domain)?;
    let live = Live {
        domain: Arc::new(domain),
        ..Live::clone(live)
    };
    body.change(|snapshot| snapshot.live = Some(Arc::new(live)));
    Ok(())
}
