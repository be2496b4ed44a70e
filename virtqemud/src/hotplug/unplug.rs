//! A device that the guest is asked to let go of.

use std::time::Duration;

use serde_json::json;
use virt_error::{Error, ErrorCode, ErrorDomain, Result};

use crate::guest::Body;

/// How long a guest may take to let go of a device before the caller is answered, as with the stock
/// daemon.
const UNPLUG: Duration = Duration::from_secs(5);

impl Body {
    /// Asks for the device of that name and waits a while; it may go later, which an event tells.
    ///
    /// # Errors
    /// OPERATION_FAILED when the guest refuses.
    pub(super) async fn unplug(&mut self, alias: &str) -> Result<()> {
        self.running_mut()?.kept_device = None;
        let monitor = self.live()?.qemu.monitor.clone();
        let asked = monitor.send("device_del", Some(json!({ "id": alias })));
        let asked = self.attend(asked).await;
        asked.map_err(|error| error.about(&self.name()))?;
        let deadline = tokio::time::Instant::now() + UNPLUG;
        let is_gone = |body: &Body| match body.live() {
            Ok(live) => {
                let mut infos = live.domain.devices.infos().into_iter();
                infos.all(|info| info.alias() != Some(alias))
            }
            Err(_) => true,
        };
        let refused = |body: &Body| body.kept_device() == Some(alias);
        self.listen_until(deadline, |body| is_gone(body) || refused(body))
            .await;
        match refused(self) {
            true => Err(Error::new(
                ErrorCode::OperationFailed,
                ErrorDomain::Qemu,
                format!("the guest refused to let go of device '{alias}'"),
            )),
            false => Ok(()),
        }
    }
}
