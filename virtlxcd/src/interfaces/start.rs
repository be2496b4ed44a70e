//! The network of a container that starts.

use std::sync::Arc;

use virt_domain::Domain;
use virt_error::Result;

use super::make;
use super::owns_network;
use crate::guest::{Body, Live};

impl Body {
    /// Gives the container that is made, and whose init waits, its network, and notes that.
    ///
    /// # Errors
    /// What can't be had, by name. What was made by then is in the live description.
    pub(crate) async fn connect(&mut self) -> Result<()> {
        let live = Arc::clone(self.guest().snapshot().running()?);
        if !owns_network(&live.domain) {
            return Ok(());
        }
        let driver = Arc::clone(self.driver());
        let made = virt_driver::off_thread(move || {
            let mut domain = Domain::clone(&live.domain);
            let outcome = make::connect(&driver, &live.container, &mut domain);
            Ok((domain, outcome))
        });
        let (domain, outcome) = made.await?;
        self.change(|snapshot| {
            snapshot.live = snapshot.live.as_ref().map(|live| {
                Arc::new(Live {
                    domain: Arc::new(domain),
                    ..Live::clone(live)
                })
            });
        });
        outcome?;
        self.write_status().await
    }
}
