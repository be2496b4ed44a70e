//! The leases a guest holds while its processors may run.

use virt_domain::Domain;
use virt_driver::leases::{Resource, owner};
use virt_error::Result;
use virt_rpc::protocol::lock::Owner;

use super::body::Body;

impl Body {
    /// Takes what the guest must hold, before its processors run.
    ///
    /// # Errors
    /// RESOURCE_BUSY naming who holds it; see [`virt_driver::leases::Leases::acquire`].
    pub(super) async fn take_leases(&mut self) -> Result<()> {
        let owes = self.running.as_ref();
        if owes.is_some_and(|running| running.owes_leases) {
            // Else it would be in its own way.
            self.give_leases_back_quietly().await;
        }
        let (owner, domain) = self.owner_and_domain()?;
        let leases = &self.driver().leases;
        let resources = leases.of(&domain).await?;
        let state = self.kept()?.lock_state.clone();
        leases.acquire(&owner, &resources, state.as_deref()).await?;
        self.owe_leases(false);
        if state.is_some() {
            self.kept_mut()?.lock_state = None;
        }
        Ok(())
    }

    /// Gives it back once they stand. A failure is no one's who waits: another guest is refused the
    /// disk, which is safe, and this one gives back what it has before it takes it again.
    pub(super) async fn give_leases_back(&mut self) {
        if let Err(error) = self.release_leases().await {
            self.owe_leases(true);
            tracing::warn!(guest = %self.name(), %error, "the guest's leases are not given back");
        }
    }

    /// Takes what the guest must hold besides, were it as `next`; nothing while its processors stand.
    /// [`Self::settle_leases`] or [`Self::untake_leases`] has to follow.
    ///
    /// # Errors
    /// As [`Self::take_leases`].
    pub(crate) async fn take_leases_of(&mut self, next: &Domain) -> Result<Vec<Resource>> {
        if !self.guest().snapshot().state.holds_leases() {
            return Ok(Vec::new());
        }
        let (owner, domain) = self.owner_and_domain()?;
        let leases = &self.driver().leases;
        let more = leases.beside(next, &domain).await?;
        leases.acquire(&owner, &more, None).await?;
        Ok(more)
    }

    /// The guest is now as it was to be. It may have been paused meanwhile, when nobody knew yet that
    /// it has more to give back.
    pub(crate) async fn settle_leases(&mut self, taken: Vec<Resource>) {
        if !self.guest().snapshot().state.holds_leases() {
            self.untake_leases(taken).await;
        }
    }

    /// Gives back what was taken for a change that failed.
    pub(crate) async fn untake_leases(&mut self, taken: Vec<Resource>) {
        let Ok((owner, _)) = self.owner_and_domain() else {
            return; // Its end gives all back.
        };
        if let Err(error) = self.driver().leases.release(&owner, &taken).await {
            tracing::warn!(guest = %self.name(), %error, "leases of the guest's are not given back");
        }
    }

    /// Gives back what the guest needed when it was as `before` and does not need any more.
    pub(crate) async fn give_leases_back_of(&mut self, before: &Domain) {
        if !self.guest().snapshot().state.holds_leases() {
            return;
        }
        let Ok((_, domain)) = self.owner_and_domain() else {
            return;
        };
        let leases = &self.driver().leases;
        match leases.beside(before, &domain).await {
            Ok(needless) => self.untake_leases(needless).await,
            Err(error) => {
                tracing::warn!(guest = %self.name(), %error, "leases of the guest's are not given back");
            }
        }
    }

    /// The same where most likely nothing is held, so that it is no news that it is not.
    pub(super) async fn give_leases_back_quietly(&mut self) {
        if let Err(error) = self.release_leases().await {
            tracing::debug!(guest = %self.name(), %error, "no leases to give back");
        }
    }

    /// Whether the guest has leases that it could not give back.
    fn owe_leases(&mut self, owes: bool) {
        if let Some(running) = &mut self.running {
            running.owes_leases = owes;
        }
    }

    async fn release_leases(&mut self) -> Result<()> {
        let (owner, domain) = self.owner_and_domain()?;
        let leases = &self.driver().leases;
        let resources = leases.of(&domain).await?;
        let state = leases.release(&owner, &resources).await?;
        if state.is_some() {
            self.kept_mut()?.lock_state = state;
        }
        Ok(())
    }

    fn owner_and_domain(&self) -> Result<(Owner, std::sync::Arc<Domain>)> {
        let live = self.live()?;
        let id = self.guest().snapshot().id.unwrap_or_default();
        let owner = owner(&live.domain, id, live.qemu.process.pid());
        Ok((owner, std::sync::Arc::clone(&live.domain)))
    }
}
