//! The guest's log.

use virt_domain::Domain;
use virt_driver::logs::{GuestLog, Owner};

use super::body::Body;
use crate::driver::Driver;

/// As virtlogd knows the guest.
pub(crate) fn log_owner(domain: &Domain) -> Owner {
    Owner {
        uuid: domain.uuid.into_bytes(),
        name: domain.name.clone(),
    }
}

/// The log of a guest that was found, written on as it was.
pub(super) fn found(driver: &Driver, domain: &Domain, through_logd: bool) -> GuestLog {
    let path = driver.folders.guest_log(&domain.name);
    driver.logs.found(&log_owner(domain), &path, through_logd)
}

impl Body {
    /// Writes a line into the log of the running guest. A failure is nobody's who waits.
    pub(super) async fn note(&mut self, line: &str) {
        let name = self.name();
        if let Some(running) = &mut self.running
            && let Err(error) = running.log.note(line).await
        {
            tracing::warn!(guest = %name, %error, "the guest's log can't be written");
        }
    }
}
