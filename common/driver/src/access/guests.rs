//! The look-ups that handlers have.

use std::sync::Arc;

use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::NonnullDomain;
use virt_rpc::server::Call;

use super::{AccessDriver, Authorized, Permitted, Subject, check, passes_filter};
use crate::identity::Identity;
use crate::{Guest, Registry};

/// A call with its caller.
pub trait Caller<P: Procedure> {
    /// The arguments.
    fn arguments(&self) -> &P::Args;
    /// Who calls.
    fn identity(&self) -> Arc<Identity>;
}

impl<P: Procedure, S> Caller<P> for Call<P, S> {
    fn arguments(&self) -> &P::Args {
        &self.args
    }

    fn identity(&self) -> Arc<Identity> {
        self.client().identity()
    }
}

/// The guests of a driver as a client may reach them.
#[derive(Debug)]
pub struct Guests<G> {
    registry: Arc<Registry<G>>,
    access: Arc<dyn AccessDriver>,
    driver: &'static str,
    domain: ErrorDomain,
}

impl<G: Guest> Guests<G> {
    /// The guests of the driver that denials call `driver` ("QEMU") and whose own errors have
    /// `domain`.
    pub fn new(
        registry: Arc<Registry<G>>,
        access: Arc<dyn AccessDriver>,
        driver: &'static str,
        domain: ErrorDomain,
    ) -> Self {
        Self {
            registry,
            access,
            driver,
            domain,
        }
    }

    fn authorize<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        guest: Arc<G>,
    ) -> Result<Authorized<P, G>> {
        if !self.access.allows_all() {
            let name = guest.name();
            let subject = Subject::Domain {
                name: &name,
                uuid: guest.uuid(),
            };
            check::<P>(
                &*self.access,
                self.driver,
                &call.identity(),
                call.arguments(),
                subject,
            )?;
        }
        Ok(Authorized::new(guest))
    }

    /// The guest that `dom` means: the one of its UUID, whatever name and number say.
    ///
    /// # Errors
    /// NO_DOMAIN; ACCESS_DENIED.
    pub fn get<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        dom: &NonnullDomain,
    ) -> Result<Authorized<P, G>> {
        let uuid = Uuid::from_bytes(dom.uuid);
        let guest = self.registry.by_uuid(&uuid).ok_or_else(|| {
            self.missing(format!(
                "no domain with matching uuid '{uuid}' ({})",
                dom.name
            ))
        })?;
        self.authorize(call, guest)
    }

    /// The guest of that UUID.
    ///
    /// # Errors
    /// NO_DOMAIN; ACCESS_DENIED.
    pub fn by_uuid<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        uuid: [u8; 16],
    ) -> Result<Authorized<P, G>> {
        let uuid = Uuid::from_bytes(uuid);
        let guest = self
            .registry
            .by_uuid(&uuid)
            .ok_or_else(|| self.missing(format!("no domain with matching uuid '{uuid}'")))?;
        self.authorize(call, guest)
    }

    /// The guest of that name.
    ///
    /// # Errors
    /// NO_DOMAIN; ACCESS_DENIED.
    pub fn by_name<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        name: &str,
    ) -> Result<Authorized<P, G>> {
        let guest = self
            .registry
            .by_name(name)
            .ok_or_else(|| self.missing(format!("no domain with matching name '{name}'")))?;
        self.authorize(call, guest)
    }

    /// The active guest of that number.
    ///
    /// # Errors
    /// NO_DOMAIN; ACCESS_DENIED.
    pub fn by_id<P: Procedure>(&self, call: &impl Caller<P>, id: i32) -> Result<Authorized<P, G>> {
        let guest = self
            .registry
            .by_id(id)
            .ok_or_else(|| self.missing(format!("no domain with matching id {id}")))?;
        self.authorize(call, guest)
    }

    /// The guests that a list call may show: all, or the active ones.
    ///
    /// # Errors
    /// ACCESS_DENIED when the caller may not list at all.
    pub fn list<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        active_only: bool,
    ) -> Result<Vec<Arc<G>>> {
        self.connect(call)?;
        let mut guests = match active_only {
            true => self.registry.active(),
            false => self.registry.all(),
        };
        if !self.access.allows_all() {
            let who = call.identity();
            guests.retain(|guest| {
                let name = guest.name();
                let subject = Subject::Domain {
                    name: &name,
                    uuid: guest.uuid(),
                };
                passes_filter::<P>(&*self.access, &who, subject)
            });
        }
        Ok(guests)
    }

    /// The guest of that UUID, when a call that names several may see it; `None` when there is
    /// none such or the filter of the call's row hides it.
    pub fn listed<P: Procedure>(&self, call: &impl Caller<P>, uuid: [u8; 16]) -> Option<Arc<G>> {
        let guest = self.registry.by_uuid(&Uuid::from_bytes(uuid))?;
        if self.access.allows_all() {
            return Some(guest);
        }
        let name = guest.name();
        let subject = Subject::Domain {
            name: &name,
            uuid: guest.uuid(),
        };
        passes_filter::<P>(&*self.access, &call.identity(), subject).then_some(guest)
    }

    /// Checks a call about the driver as a whole.
    ///
    /// # Errors
    /// ACCESS_DENIED.
    pub fn connect<P: Procedure>(&self, call: &impl Caller<P>) -> Result<Permitted<P>> {
        if !self.access.allows_all() {
            check::<P>(
                &*self.access,
                self.driver,
                &call.identity(),
                call.arguments(),
                Subject::Connect,
            )?;
        }
        Ok(Permitted(std::marker::PhantomData))
    }

    /// Checks a call that makes, or redefines, the guest of that name and UUID.
    ///
    /// # Errors
    /// ACCESS_DENIED.
    pub fn make<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        name: &str,
        uuid: Uuid,
    ) -> Result<Permitted<P>> {
        if !self.access.allows_all() {
            let subject = Subject::Domain { name, uuid };
            check::<P>(
                &*self.access,
                self.driver,
                &call.identity(),
                call.arguments(),
                subject,
            )?;
        }
        Ok(Permitted(std::marker::PhantomData))
    }

    /// The access driver, for what is checked later: events.
    pub fn access(&self) -> &Arc<dyn AccessDriver> {
        &self.access
    }

    fn missing(&self, detail: String) -> Error {
        Error::new(ErrorCode::NoDomain, self.domain, detail)
    }
}

#[cfg(test)]
mod tests;
