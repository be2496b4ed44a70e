//! The leases a guest holds while its processors may run.

use virt_domain::Domain;
use virt_error::Result;
use virt_rpc::protocol::lock::Owner;

use super::body::Body;

/// As virtlockd knows the guest; its process registers itself, so that the number is not known yet.
pub(crate) fn owner(domain: &Domain, id: i32) -> Owner {
    Owner {
        uuid: domain.uuid.into_bytes(),
        name: domain.name.clone(),
        // The ids of running guests are 1 and above.
        id: u32::try_from(id).unwrap_or_default(),
        pid: 0,
    }
}

impl Body {
    /// Takes what the guest must hold, before its processors run.
    ///
    /// # Errors
    /// RESOURCE_BUSY naming who holds it; see [`virt_driver::leases::Leases::acquire`].
    pub(super) async fn take_leases(&mut self) -> Result<()> {
        let (owner, domain) = self.owner_and_domain()?;
        let leases = &self.driver().leases;
        let resources = leases.of(&domain).await?;
        leases.acquire(&owner, &resources).await
    }

    /// Gives it back once they stand. A failure is no one's who waits: another guest is refused the
    /// disk, which is safe.
    pub(super) async fn give_leases_back(&mut self) {
        if let Err(error) = self.release_leases().await {
            tracing::warn!(guest = %self.name(), %error, "the guest's leases are not given back");
        }
    }

    async fn release_leases(&mut self) -> Result<()> {
        let (owner, domain) = self.owner_and_domain()?;
        let leases = &self.driver().leases;
        let resources = leases.of(&domain).await?;
        leases.release(&owner, &resources).await
    }

    fn owner_and_domain(&self) -> Result<(Owner, std::sync::Arc<Domain>)> {
        let live = self.live()?;
        let id = self.guest().snapshot().id.unwrap_or_default();
        let mut owner = owner(&live.domain, id);
        owner.pid = u32::try_from(live.qemu.process.pid()).unwrap_or_default();
        Ok((owner, std::sync::Arc::clone(&live.domain)))
    }
}
