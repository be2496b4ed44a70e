//! Sockets that have to be named.

use super::{ChannelTarget, CharBackend, CharSource};
use crate::devices::Devices;
use crate::devices::rng::RngBackend;
use crate::devices::smartcard::SmartcardMode;
use crate::refusal::internal;
use virt_error::Result;

impl Devices {
    /// A UNIX socket has a path, except a virtio channel's, which gets one for each start.
    ///
    /// # Errors
    /// INTERNAL_ERROR for one without.
    pub(crate) fn check_socket_paths(&self) -> Result<()> {
        let serials = self.serials.iter().map(|d| &d.source);
        let parallels = self.parallels.iter().map(|d| &d.source);
        let consoles = self.consoles.iter().map(|d| &d.source);
        let channels = self.channels.iter().filter_map(|d| match d.target {
            ChannelTarget::Virtio { .. } => None,
            _ => Some(&d.source),
        });
        let redirdevs = self.redirdevs.iter().map(|d| &d.source);
        let smartcards = self.smartcards.iter().filter_map(|d| match &d.kind {
            SmartcardMode::Passthrough(source) => Some(source),
            _ => None,
        });
        let rngs = self.rngs.iter().filter_map(|d| match &d.backend {
            RngBackend::Egd(source) => Some(source),
            _ => None,
        });
        let all = serials.chain(parallels).chain(consoles).chain(channels);
        let mut all = all.chain(redirdevs).chain(smartcards).chain(rngs);
        let nameless =
            |source: &CharSource| matches!(source.backend, CharBackend::Unix { path: None, .. });
        if all.any(nameless) {
            return Err(internal("Missing source path attribute for char device"));
        }
        Ok(())
    }
}
