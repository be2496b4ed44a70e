//! What the driver keeps for each connection.

use std::sync::Arc;

use virt_driver::access::{Authorized, Permitted};
use virt_driver::api;
pub use virt_driver::api::Proof;
use virt_driver::secondary::{HasSecondaries, Secondaries};
use virt_driver::{Guests, Subscriber};
use virt_error::{ErrorDomain, Result};
use virt_rpc::protocol::Procedure;
use virt_rpc::protocol::remote::NonnullDomain;
use virt_rpc::server::{Call, Client, Opening};

use super::open;
use crate::argv::DriverConfig;
use crate::driver::Driver;
use crate::guest::Guest;

/// One client's open connection to the driver.
///
/// A handler gets at a guest through [`Session::guest`] and at the driver through
/// [`Session::driver`], which asks for the proof that the access rules of the call's row were
/// checked: forgetting the check does not compile.
#[derive(Debug)]
pub struct Session {
    driver: Arc<Driver>,
    pub(super) subscriber: Subscriber,
    secondaries: Secondaries,
}

impl Session {
    /// Opens a connection.
    ///
    /// # Errors
    /// INTERNAL_ERROR, NO_CONNECT for a URI that is not the driver's.
    pub fn open(driver: &Arc<Driver>, client: &Client, opening: &Opening<'_>) -> Result<Self> {
        open::check_uri(opening.uri, driver.paths.is_system())?;
        Ok(Self {
            secondaries: Secondaries::new(Arc::clone(&driver.neighbours), client.clone()),
            subscriber: driver.events.subscriber(Arc::new(client.clone())),
            driver: Arc::clone(driver),
        })
    }

    /// The guest that `dom` means, when the caller may do `P` to it.
    ///
    /// # Errors
    /// NO_DOMAIN; ACCESS_DENIED.
    pub fn guest<P: Procedure>(
        &self,
        call: &Call<P, Self>,
        dom: &NonnullDomain,
    ) -> Result<Authorized<P, Guest>> {
        self.driver.guests.get(call, dom)
    }

    /// The other look-ups: by name, by number, lists.
    pub fn guests(&self) -> &Guests<Guest> {
        &self.driver.guests
    }

    /// Checks a call about the driver as a whole.
    ///
    /// # Errors
    /// ACCESS_DENIED.
    pub fn permit<P: Procedure>(&self, call: &Call<P, Self>) -> Result<Permitted<P>> {
        self.driver.guests.connect(call)
    }

    /// What reading a document looks at; it says nothing of guests.
    pub(super) fn reading_config(&self) -> &DriverConfig {
        &self.driver.config
    }

    /// The driver, for a call whose rules were checked.
    pub fn driver(&self, _proof: &impl Proof) -> &Arc<Driver> {
        &self.driver
    }
}

impl HasSecondaries for Session {
    fn secondaries(&self) -> &Secondaries {
        &self.secondaries
    }
}

impl api::node::HasHost for Session {
    fn host(&self, _: &impl Proof) -> &virt_host::Host {
        &self.driver.host
    }
}

impl api::Session for Session {
    type Guest = Guest;

    const PREFIX: &'static str = "qemu";
    const DOMAIN: ErrorDomain = ErrorDomain::Qemu;

    fn guests(&self) -> &Guests<Guest> {
        &self.driver.guests
    }

    fn subscriber(&self) -> &Subscriber {
        &self.subscriber
    }
}
