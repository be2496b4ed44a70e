//! What a driver that chooses nothing of its own makes of a definition.

use crate::arch::Arch;
use crate::devices::interface::{Mac, MacAddress};
use crate::devices::video::VideoModel;
use crate::domain::Domain;

impl Domain {
    /// Fills in what a guest has whatever runs it: the host's architecture, hardware addresses, cards
    /// of displays. `random` fills a buffer with random bytes.
    pub fn complete(&mut self, host: Arch, random: fn(&mut [u8])) {
        self.os.kind.arch.get_or_insert(host);
        for interface in &mut self.devices.interfaces {
            let made_up = || Mac::from(MacAddress::generated(random));
            interface.mac.get_or_insert_with(made_up);
        }
        self.devices.complete_videos(VideoModel::Cirrus);
    }
}
