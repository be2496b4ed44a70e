//! Defining a guest: a new one, or another definition for one that is there.

use std::sync::Arc;

use uuid::Uuid;
use virt_domain::Domain;
use virt_driver::{Definition, Event, Guest as _, Taken};
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

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
        Err(taken) => return Err(refused(&taken, &domain.name, uuid)),
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

/// Why a guest can't have its name and UUID, as the stock daemon says it
/// (tests/transcripts/define.txt).
pub fn refused(taken: &Taken<Guest>, name: &str, uuid: Uuid) -> Error {
    let what = match taken {
        Taken::Name(other) => {
            format!("domain '{name}' already exists with uuid {}", other.uuid())
        }
        Taken::Uuid(other) => {
            format!(
                "domain '{}' is already defined with uuid {uuid}",
                other.name()
            )
        }
        Taken::Reserved => {
            format!("domain '{name}' with uuid {uuid} is being made by another call")
        }
    };
    Error::new(ErrorCode::OperationFailed, ErrorDomain::Qemu, what)
}
