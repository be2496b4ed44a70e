//! Defining a guest: a new one, or another definition for one that is there.

use std::sync::Arc;

use virt_domain::Domain;
use virt_driver::{Definition, Event};
use virt_error::{ErrorDomain, Result};

use super::{replace, write};
use crate::driver::Driver;
use crate::guest::{Guest, Snapshot};

/// Lifecycle event "defined" (`libvirt-domain.h`).
const DEFINED: i32 = 0;

/// How a guest came to be defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defined {
    /// It is new.
    Added = 0,
    /// It has another definition now.
    Updated = 1,
}

/// Defines the guest: written durably, published, told.
///
/// # Errors
/// OPERATION_FAILED when its name or UUID belong to another guest, SYSTEM_ERROR when it can't
/// be written.
pub async fn define(driver: &Arc<Driver>, domain: Box<Domain>) -> Result<Arc<Guest>> {
    let uuid = domain.uuid;
    let (guest, how) = match driver.registry.reserve(&domain.name, uuid) {
        Err(taken) => return Err(taken.refusal(&domain.name, uuid, ErrorDomain::Qemu)),
        Ok(Err(guest)) => {
            let job = "define";
            guest
                .run(job, |body| {
                    Box::pin(async move {
                        replace(body, domain).await?;
                        body.change(|snapshot| snapshot.updated = true);
                        Ok(())
                    })
                })
                .await?;
            (guest, Defined::Updated)
        }
        Ok(Ok(reservation)) => {
            let definition = Arc::new(Definition::new(*domain)?);
            write(driver, reservation.name(), &definition).await?;
            let snapshot = Snapshot {
                definition: Some(definition),
                ..Snapshot::inactive(Arc::clone(reservation.name()))
            };
            let guest = Guest::new(driver, uuid, snapshot);
            reservation.insert(Arc::clone(&guest));
            (guest, Defined::Added)
        }
    };
    let event = Event::Lifecycle {
        event: DEFINED,
        detail: how as i32,
    };
    driver.events.emit(&*guest, event);
    Ok(guest)
}
