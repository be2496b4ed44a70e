//! The look-ups that handlers have.

use std::future::Future;
use std::sync::Arc;

use uuid::Uuid;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};
use virt_rpc::protocol::decisions::Purpose;
use virt_rpc::protocol::remote::NonnullDomain;
use virt_rpc::protocol::{Object, Procedure};
use virt_rpc::server::Call;

use super::{
    Access, AccessObject, Asked, Authorized, Decider, Permissions, Permitted, document, subject,
};
use crate::identity::Identity;
use crate::{Guest, Registry};

/// A call with its caller.
pub trait Caller<P: Procedure> {
    /// The arguments.
    fn arguments(&self) -> &P::Args;
    /// Who calls.
    fn identity(&self) -> Arc<Identity>;
    /// Whether over a read-only connection.
    fn is_readonly(&self) -> bool;
    /// Has the call served anew after `first`: see [`Call::again_after`].
    fn again_after(&self, first: impl Future<Output = ()> + Send + 'static);
}

impl<P: Procedure, S> Caller<P> for Call<P, S> {
    fn arguments(&self) -> &P::Args {
        &self.args
    }

    fn identity(&self) -> Arc<Identity> {
        self.client().identity()
    }

    fn is_readonly(&self) -> bool {
        self.client().is_readonly()
    }

    fn again_after(&self, first: impl Future<Output = ()> + Send + 'static) {
        Self::again_after(self, first);
    }
}

/// The guests of a driver as a client may reach them.
///
/// Where a decision must be asked for, a look-up fails and has the call served anew when the answer
/// is there; the error it gives is never sent.
#[derive(Debug)]
pub struct Guests<G> {
    registry: Arc<Registry<G>>,
    access: Access,
    domain: ErrorDomain,
}

impl<G: Guest> Guests<G> {
    /// The guests of a driver whose own errors have `domain`.
    pub fn new(registry: Arc<Registry<G>>, access: Access, domain: ErrorDomain) -> Self {
        Self {
            registry,
            access,
            domain,
        }
    }

    fn authorize<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        guest: Arc<G>,
    ) -> Result<Authorized<P, G>> {
        tell_of(&*guest);
        self.check(call, Object::Domain, || guest.access_object())?;
        Ok(Authorized::new(guest))
    }

    /// Whether the caller has what the call's rules ask for, all on the same object.
    fn check<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        object: Object,
        about: impl FnOnce() -> Arc<AccessObject>,
    ) -> Result<()> {
        let Access::Decided(decider) = &self.access else {
            return Ok(());
        };
        debug_assert!(
            P::acl(call.arguments()).all(|rule| rule.object == object),
            "{} is checked on a {}",
            P::ROW.name,
            object.name()
        );
        let permissions = Permissions::of(P::acl(call.arguments()));
        if permissions.is_empty() {
            return Ok(());
        }
        let asked = asked(call, permissions, about());
        let known = decider.known_for_call(&asked);
        if known.is_none() {
            ask::<P>(call, decider, Purpose::Call, vec![asked]);
        }
        decider.outcome(known)
    }

    /// Those of `guests` that the filter of the call's row lets through.
    fn filtered<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        mut guests: Vec<Arc<G>>,
    ) -> Result<Vec<Arc<G>>> {
        let permissions = Permissions::of(P::ROW.acl_filter.iter());
        let Access::Decided(decider) = &self.access else {
            return Ok(guests);
        };
        if permissions.is_empty() {
            return Ok(guests);
        }
        let mut unknown = Vec::new();
        decider.with_known(|known, now| {
            guests.retain(|guest| {
                let asked = asked(call, permissions, guest.access_object());
                let verdict = known.get(&asked, now);
                if verdict.is_none() {
                    unknown.push(asked);
                }
                verdict.is_some_and(|verdict| verdict.is_allowed())
            });
        });
        if !unknown.is_empty() {
            ask::<P>(call, decider, Purpose::Filter, unknown);
            decider.outcome(None)?;
        }
        Ok(guests)
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
        let guests = match active_only {
            true => self.registry.active(),
            false => self.registry.all(),
        };
        self.filtered(call, guests)
    }

    /// The guests of those UUIDs, for a call that names several: without those that don't exist and
    /// those that the filter of the call's row hides.
    ///
    /// # Errors
    /// ACCESS_DENIED when decisions can't be had.
    pub fn listed<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        uuids: impl Iterator<Item = [u8; 16]>,
    ) -> Result<Vec<Arc<G>>> {
        let guests = uuids.filter_map(|uuid| self.registry.by_uuid(&Uuid::from_bytes(uuid)));
        self.filtered(call, guests.collect())
    }

    /// Checks a call about the driver as a whole.
    ///
    /// # Errors
    /// ACCESS_DENIED.
    pub fn connect<P: Procedure>(&self, call: &impl Caller<P>) -> Result<Permitted<P>> {
        self.check(call, Object::Connect, AccessObject::driver)?;
        Ok(Permitted(std::marker::PhantomData))
    }

    /// Checks a call that makes, or redefines, the guest of a document. Only its name and UUID are
    /// looked at before; without a UUID none is told to who decides, for it is not chosen yet, and a
    /// new guest has no owners yet, for anyone could write any.
    ///
    /// # Errors
    /// ACCESS_DENIED; what is no XML.
    pub fn make<P: Procedure>(
        &self,
        call: &impl Caller<P>,
        document: &str,
    ) -> Result<Permitted<P>> {
        if let Access::Decided(_) = self.access {
            let (name, uuid) = document::identity(document)?;
            self.check(call, Object::Domain, || {
                // A guest that is there keeps its owners until the document has replaced it.
                let by_uuid = uuid.and_then(|uuid| self.registry.by_uuid(&uuid));
                match by_uuid.or_else(|| self.registry.by_name(&name)) {
                    Some(guest) => guest.access_object(),
                    None => AccessObject::new_guest(&name, uuid),
                }
            })?;
        }
        Ok(Permitted(std::marker::PhantomData))
    }

    fn missing(&self, detail: String) -> Error {
        Error::new(ErrorCode::NoDomain, self.domain, detail)
    }
}

/// Whatever is told from here on in this call is told of that guest.
fn tell_of(guest: &impl Guest) {
    let span = tracing::Span::current();
    span.record("guest.name", &*guest.name());
    span.record("guest.uuid", guest.uuid().as_u128());
}

/// Has the call served anew once virtacld has answered.
fn ask<P: Procedure>(
    call: &impl Caller<P>,
    decider: &Arc<Decider>,
    purpose: Purpose,
    asked: Vec<Asked>,
) {
    call.again_after(Arc::clone(decider).ask(P::ROW.name, purpose, asked));
}

fn asked<P: Procedure>(
    call: &impl Caller<P>,
    permissions: Permissions,
    object: Arc<AccessObject>,
) -> Asked {
    Asked {
        subject: subject(&call.identity()),
        readonly: call.is_readonly(),
        permissions,
        object,
    }
}

#[cfg(test)]
mod tests;
