//! Handlers of calls that are the same for every driver: what they need of one is [`Session`].

pub mod events;
pub mod flags;
pub mod list;
pub mod lookup;
pub mod metadata;
pub mod node;
pub mod rename;
pub mod security;
pub mod state;
pub mod stats;

use virt_error::{ErrorDomain, Result};
use virt_label::{Model, Shown};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::NonnullDomain;
use virt_rpc::server::{Call, Router};

use crate::access::{Authorized, Permitted};
use crate::{Edited, Guest, Guests, Subscriber};

/// One client's open connection to a driver, as shared handlers see it.
///
/// A handler gets at a guest through a look-up that checks the access rules of the call's row, and at
/// the driver with the [`Proof`] of such a check: forgetting it does not compile.
pub trait Session: Send + Sync + Sized + 'static {
    /// The driver's guests.
    type Guest: Guest;

    /// How the driver's own names of functions begin, which errors about flags tell: `qemu`, `lxc`.
    const PREFIX: &'static str;

    /// The domain of its errors.
    const DOMAIN: ErrorDomain;

    /// The guests, as calls reach them.
    fn guests(&self) -> &Guests<Self::Guest>;

    /// The client's registrations for events.
    fn subscriber(&self) -> &Subscriber;

    /// The security module that labels the driver's guests.
    fn security_model(&self, _proof: &impl Proof) -> Model {
        Model::None
    }

    /// The label of a guest as it is now; an empty one while it does not run.
    ///
    /// # Errors
    /// SYSTEM_ERROR when the kernel does not tell it.
    fn shown_label(&self, _guest: &Self::Guest) -> Result<Shown> {
        Ok(Shown::default())
    }

    /// The guest that `dom` means, when the caller may do `P` to it.
    ///
    /// # Errors
    /// NO_DOMAIN; ACCESS_DENIED.
    fn guest<P: Procedure>(
        &self,
        call: &Call<P, Self>,
        dom: &NonnullDomain,
    ) -> Result<Authorized<P, Self::Guest>> {
        self.guests().get(call, dom)
    }

    /// Checks a call about the driver as a whole.
    ///
    /// # Errors
    /// ACCESS_DENIED.
    fn permit<P: Procedure>(&self, call: &Call<P, Self>) -> Result<Permitted<P>> {
        self.guests().connect(call)
    }

    /// Refuses flags that the driver's `function` (without [`Self::PREFIX`]) does not know.
    ///
    /// # Errors
    /// INVALID_ARG.
    fn only(flags: u32, known: u32, function: &str) -> Result<()> {
        let function = format!("{}{function}", Self::PREFIX);
        flags::only(flags, known, &function, Self::DOMAIN)
    }
}

/// The proof that a call passed its access rules.
pub trait Proof {}

impl<P, G> Proof for Authorized<P, G> {}
impl<P> Proof for Permitted<P> {}

/// All handlers of this module.
pub fn register<S: Session<Guest: Edited<Editor: rename::Rename>>>(router: &mut Router<S>) {
    lookup::register(router);
    list::register(router);
    events::register(router);
    security::register(router);
    state::register(router);
    metadata::register(router);
    rename::register(router);
}
