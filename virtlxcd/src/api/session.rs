//! What the driver keeps for each connection.

use std::sync::Arc;

use virt_driver::api::{self, Proof};
use virt_driver::secondary::{HasSecondaries, Secondaries};
use virt_driver::{Guests, Subscriber};
use virt_error::{Error, ErrorDomain, Result};
use virt_label::{Model, Shown};
use virt_rpc::server::{Client, Opening};

use super::open;
use crate::driver::Driver;
use crate::guest::Guest;

/// One client's open connection to the driver.
#[derive(Debug)]
pub struct Session {
    driver: Arc<Driver>,
    subscriber: Subscriber,
    secondaries: Secondaries,
}

impl Session {
    /// Opens a connection.
    ///
    /// # Errors
    /// INTERNAL_ERROR, NO_CONNECT for a URI that is not the driver's.
    pub fn open(driver: &Arc<Driver>, client: &Client, opening: &Opening<'_>) -> Result<Self> {
        open::check_uri(opening.uri)?;
        Ok(Self {
            secondaries: Secondaries::new(Arc::clone(&driver.neighbours), client.clone()),
            subscriber: driver.events.subscriber(Arc::new(client.clone())),
            driver: Arc::clone(driver),
        })
    }

    /// The driver, for a call whose rules were checked.
    pub fn driver(&self, _proof: &impl Proof) -> &Arc<Driver> {
        &self.driver
    }
}

impl api::node::HasHost for Session {
    fn host(&self, _: &impl Proof) -> &virt_host::Host {
        &self.driver.host
    }
}

impl api::Session for Session {
    type Guest = Guest;

    const PREFIX: &'static str = "lxc";
    const DOMAIN: ErrorDomain = ErrorDomain::Lxc;

    fn guests(&self) -> &Guests<Guest> {
        &self.driver.guests
    }

    fn subscriber(&self) -> &Subscriber {
        &self.subscriber
    }

    fn security_model(&self, _: &impl Proof) -> Model {
        self.driver.labels.model()
    }

    fn shown_label(&self, guest: &Guest) -> Result<Shown> {
        let snapshot = guest.snapshot();
        let live = snapshot.live.as_ref();
        let Some(init) = live.and_then(|live| live.container.init.as_ref()) else {
            return Ok(Shown::default());
        };
        let shown = virt_label::shown(self.driver.labels.model(), init.pid());
        match init.is_alive() {
            true => shown.map_err(|e| Error::system(ErrorDomain::Lxc, "the container's label", &e)),
            // What was looked at may have been another's.
            false => Ok(Shown::default()),
        }
    }
}

impl HasSecondaries for Session {
    fn secondaries(&self) -> &Secondaries {
        &self.secondaries
    }
}
