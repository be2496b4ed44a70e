//! The leases a container holds: from before it mounts anything until its controller ends, on whose
//! connection they are. It has them also while its processes stand, for what it has mounted is written to
//! by the kernel all the same.

use virt_domain::Domain;
use virt_driver::leases::{Resource, owner};
use virt_error::Result;

use super::body::Body;
use super::snapshot::Live;
use crate::driver::Driver;

/// Takes those of a container whose controller has started.
///
/// # Errors
/// RESOURCE_BUSY naming who holds one; see [`virt_driver::leases::Leases::acquire`].
pub(super) async fn take(driver: &Driver, domain: &Domain, controller: i32) -> Result<()> {
    let resources = driver.leases.of(domain).await?;
    let owner = owner(domain, controller, controller);
    driver.leases.acquire(&owner, &resources, None).await
}

impl Body {
    /// Takes what a running container must hold besides, were it as `next`.
    ///
    /// # Errors
    /// As [`take`].
    pub(crate) async fn take_leases_of(&self, live: &Live, next: &Domain) -> Result<Vec<Resource>> {
        let leases = &self.driver().leases;
        let more = leases.beside(next, &live.domain).await?;
        let controller = live.container.controller.pid();
        let owner = owner(&live.domain, controller, controller);
        leases.acquire(&owner, &more, None).await?;
        Ok(more)
    }

    /// Gives leases back. A failure is nobody's who waits: another guest is refused the disk until this
    /// one ends, which is safe.
    pub(crate) async fn give_leases_back(&self, live: &Live, resources: &[Resource]) {
        let controller = live.container.controller.pid();
        let owner = owner(&live.domain, controller, controller);
        if let Err(error) = self.driver().leases.release(&owner, resources).await {
            tracing::warn!(guest = %live.domain.name, %error, "leases are not given back");
        }
    }
}
